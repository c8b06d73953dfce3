import CSystem

/// Memory that this process has used.
public enum ProcessMemory {
    /// The largest resident set so far, in bytes.
    public static var peakBytes: Int { lathe_peak_memory() }
}
