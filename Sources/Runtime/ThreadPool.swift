import CSystem
import Synchronization

/// Persistent threads that run one job together, and the barrier between a job's phases.
///
/// Waiting spins for a bounded time and then sleeps on a futex, so an over-subscribed machine loses a wake-up, not a
/// time slice. The caller's thread is thread 0.
final class ThreadPool: @unchecked Sendable {
    typealias Job = (_ thread: Int) -> Void

    let threadCount: Int
    /// Threads of the job under way.
    private var jobThreads = 1
    /// Raised once for every completed barrier.
    private let phase = FutexWord()
    private let arrived = Atomic<Int>(0)
    private let isStopping = Atomic<Bool>(false)
    private let shares: WorkShares
    private var governor: ThreadGovernor
    /// Nanoseconds that the threads of the job under way wanted a processor and had none.
    private let lostNanoseconds = Atomic<Int>(0)
    private let members: [Member]
    private var job: Job?
    private var workers: [pthread_t] = []

    /// Starts `threadCount - 1` threads. Throws `noThread` where the system refuses one.
    init(threadCount: Int) throws(RuntimeError) {
        self.threadCount = max(1, threadCount)
        shares = WorkShares(threadCount: self.threadCount)
        governor = ThreadGovernor(mostThreads: self.threadCount)
        members = (0..<self.threadCount).map { _ in Member() }
        for index in 1..<self.threadCount {
            let start = Unmanaged.passRetained(WorkerStart(pool: self, thread: index))
            var worker = pthread_t()
            let status = pthread_create(
                &worker, nil,
                { argument in
                    guard let argument else { return nil }
                    let start = Unmanaged<WorkerStart>.fromOpaque(argument).takeRetainedValue()
                    let pool = start.pool
                    pool.work(thread: start.thread)
                    return nil
                }, start.toOpaque())
            guard status == 0 else {
                start.release()
                stop()
                throw .noThread
            }
            workers.append(worker)
        }
    }

    /// Runs `job` once on each of as many threads as the machine has room for, and returns when all have finished it.
    func run(_ job: @escaping Job) {
        let before = lathe_seconds()
        lostNanoseconds.store(0, ordering: .relaxed)
        run(job, threads: governor.threads)
        let lost = Double(lostNanoseconds.load(ordering: .relaxed)) * 1e-9
        governor.record(lost: lost, of: lathe_seconds() - before)
    }

    /// Runs `job` once on every thread and returns when all have finished it.
    func runOnAll(_ job: @escaping Job) { run(job, threads: threadCount) }

    /// Runs `job` once on each of the first `threads` threads.
    func run(_ job: @escaping Job, threads: Int) {
        self.job = job
        if threads != jobThreads {
            // Threads that sat out have not set back their counters.
            shares.reset()
            jobThreads = threads
        }
        for thread in 1..<threads { members[thread].jobs.advance() }
        perform(job, thread: 0)
        self.job = nil
    }

    /// Shares `count` equal units of work among the threads of a job, all of which call this, at most once between two
    /// barriers; any thread may run any unit.
    @inline(never)
    func forEachUnit(of count: Int, thread: Int, _ body: (Int) -> Void) {
        forEachRange(of: count, isCoarse: false, thread: thread) { for unit in $0 { body(unit) } }
    }

    /// As `forEachUnit`, several units at a time where `isCoarse`.
    @inline(never)
    func forEachRange(of count: Int, isCoarse: Bool, thread: Int, _ body: (Range<Int>) -> Void) {
        // Nobody passes a barrier before all have come to it, so all see one phase.
        shares.forEachRange(
            of: count, isCoarse: isCoarse, thread: thread, threads: jobThreads, phase: phase.load(), body)
    }

    /// Waits inside a job until every thread of it has come here.
    func barrier(thread: Int) {
        // Read before arriving: once all have arrived, the next job may have another number of threads.
        let (current, threads) = (phase.load(), jobThreads)
        shares.prepare(thread: thread, after: current)
        if arrived.add(1, ordering: .acquiringAndReleasing).newValue == threads {
            arrived.store(0, ordering: .relaxed)
            phase.advance()
        } else {
            members[thread].slept += phase.wait(whileEqual: current)
        }
    }

    /// Ends all threads; no job may be running.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        for (index, worker) in workers.enumerated() {
            members[index + 1].jobs.advance()
            pthread_join(worker, nil)
        }
        workers = []
    }

    private func work(thread: Int) {
        var seen: UInt32 = 0
        while true {
            members[thread].jobs.wait(whileEqual: seen)
            seen &+= 1
            if isStopping.load(ordering: .acquiring) { return }
            if let job { perform(job, thread: thread) }
        }
    }

    private func perform(_ job: Job, thread: Int) {
        members[thread].slept = 0
        let (start, work) = (lathe_seconds(), lathe_thread_seconds())
        job(thread)
        let lost = lathe_seconds() - start - (lathe_thread_seconds() - work) - members[thread].slept
        if lost > 0 { lostNanoseconds.add(Int(lost * 1e9), ordering: .relaxed) }
        barrier(thread: thread)
    }
}

/// What one thread of a pool keeps.
private final class Member {
    /// Raised once for every job that the thread takes part in; the caller's thread needs none.
    let jobs = FutexWord()
    /// Seconds that it has slept in this job; its own alone.
    var slept = 0.0
}

/// What a new thread is told.
private final class WorkerStart {
    let pool: ThreadPool
    let thread: Int
    init(pool: ThreadPool, thread: Int) {
        self.pool = pool
        self.thread = thread
    }
}
