import Foundation

/// Memory that this process has used.
public enum ProcessMemory {
    /// The largest resident set so far, in bytes.
    public static var peakBytes: Int {
        var usage = rusage()
        getrusage(RUSAGE_SELF, &usage)
        return usage.ru_maxrss * 1024
    }
}
