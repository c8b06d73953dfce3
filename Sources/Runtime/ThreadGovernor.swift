/// Decides how many of an engine's threads take part in the next job.
///
/// Where other processes want the same processors, a barrier waits for whichever thread the system has just taken off
/// its own: then fewer threads are faster. Results do not depend on the number of threads, so it may change between
/// jobs. The evidence is involuntary context switches.
struct ThreadGovernor {
    /// Switches a second above which a thread is taken to share its processor. A scheduler's slice is a few
    /// milliseconds, so a busy neighbour causes more than a hundred; housekeeping on a quiet machine, a few.
    static let crowdedRate = 60.0
    /// Seconds of work that a judgement rests on.
    static let window = 0.02
    /// Seconds of work with fewer threads until all are tried again; doubled at every failure.
    static let shortestHold = 0.25
    static let longestHold = 4.0

    let mostThreads: Int
    private(set) var threads: Int
    private var switches = 0.0
    private var seconds = 0.0
    private var holdLeft = 0.0
    private var nextHold = ThreadGovernor.shortestHold

    init(mostThreads: Int) {
        self.mostThreads = mostThreads
        threads = mostThreads
    }

    /// Takes note of one job: how often the system took a thread of it off its processor, and how long it ran.
    mutating func record(switches newSwitches: Int, seconds newSeconds: Double) {
        switches += Double(newSwitches)
        seconds += newSeconds
        if threads < mostThreads { holdLeft -= newSeconds }
        guard seconds >= ThreadGovernor.window else { return }
        let isCrowded = switches >= 2 && switches > ThreadGovernor.crowdedRate * seconds
        if isCrowded, threads > 1 {
            threads -= 1
            holdLeft = nextHold
            nextHold = min(2 * nextHold, ThreadGovernor.longestHold)
        } else if threads < mostThreads, holdLeft <= 0 {
            threads = mostThreads
        } else if threads == mostThreads, !isCrowded {
            nextHold = max(nextHold - newSeconds, ThreadGovernor.shortestHold)
        }
        switches = 0
        seconds = 0
    }
}
