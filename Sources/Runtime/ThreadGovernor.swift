/// Decides how many of an engine's threads take part in the next job.
///
/// Where other processes want the same processors, a barrier waits for whichever thread the system has just taken off
/// its own: then fewer threads are faster. Results do not depend on the number of threads, so it may change between
/// jobs. The evidence is the time in which threads wanted a processor and had none.
struct ThreadGovernor {
    /// Seconds of work that a judgement rests on.
    static let window = 0.02
    /// Seconds of work with fewer threads until all are tried again; doubled at every failure.
    static let shortestHold = 0.25
    static let longestHold = 4.0

    let mostThreads: Int
    private(set) var threads: Int
    private var lost = 0.0
    private var seconds = 0.0
    private var holdLeft = 0.0
    private var nextHold = ThreadGovernor.shortestHold

    init(mostThreads: Int) {
        self.mostThreads = mostThreads
        threads = mostThreads
    }

    /// Takes note of one job: the seconds that its threads together waited for a processor, and how long it ran.
    mutating func record(lost newLost: Double, of newSeconds: Double) {
        lost += newLost
        seconds += newSeconds
        if threads < mostThreads { holdLeft -= newSeconds }
        guard seconds >= ThreadGovernor.window else { return }
        // All wait while one does, so a share of s lost costs s of everybody's time, and one thread less 1 / threads of
        // the work done; somewhat less, since memory does not get slower.
        if threads > 1, lost * Double(threads) > 0.6 * seconds {
            threads -= 1
            holdLeft = nextHold
            nextHold = min(2 * nextHold, ThreadGovernor.longestHold)
        } else if threads < mostThreads, holdLeft <= 0 {
            threads = mostThreads
        } else if threads == mostThreads {
            nextHold = max(nextHold - seconds, ThreadGovernor.shortestHold)
        }
        lost = 0
        seconds = 0
    }
}
