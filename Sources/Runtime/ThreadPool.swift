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
    private let switches = Atomic<Int>(0)
    private var job: Job?
    private var workers: [Worker] = []

    /// Starts `threadCount - 1` threads. Throws `noThread` where the system refuses one.
    init(threadCount: Int) throws(RuntimeError) {
        self.threadCount = max(1, threadCount)
        shares = WorkShares(threadCount: self.threadCount)
        governor = ThreadGovernor(mostThreads: self.threadCount)
        for index in 1..<self.threadCount {
            let worker = Worker(pool: self, thread: index)
            let start = Unmanaged.passRetained(worker)
            let status = pthread_create(
                &worker.handle, nil,
                { argument in
                    guard let argument else { return nil }
                    let worker = Unmanaged<Worker>.fromOpaque(argument).takeRetainedValue()
                    worker.pool.work(worker)
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
        switches.store(0, ordering: .relaxed)
        run(job, threads: governor.threads)
        governor.record(switches: switches.load(ordering: .relaxed), seconds: lathe_seconds() - before)
    }

    /// Runs `job` once on every thread and returns when all have finished it.
    func runOnAll(_ job: @escaping Job) { run(job, threads: threadCount) }

    private func run(_ job: @escaping Job, threads: Int) {
        self.job = job
        jobThreads = threads
        for worker in workers.prefix(threads - 1) { worker.jobs.advance() }
        perform(job, thread: 0)
        self.job = nil
    }

    /// Shares `count` equal units of work among the threads of a job, all of which call this, at most once between two
    /// barriers; any thread may run any unit.
    func forEachUnit(of count: Int, thread: Int, _ body: (Int) -> Void) {
        // Nobody passes a barrier before all have come to it, so all see one phase.
        shares.forEachUnit(of: count, thread: thread, threads: jobThreads, phase: phase.load(), body)
    }

    /// Waits inside a job until every thread of it has come here.
    func barrier(thread: Int) {
        let current = phase.load()
        shares.prepare(thread: thread, after: current)
        if arrived.add(1, ordering: .acquiringAndReleasing).newValue == jobThreads {
            arrived.store(0, ordering: .relaxed)
            phase.advance()
        } else {
            phase.wait(whileEqual: current)
        }
    }

    /// Ends all threads; no job may be running.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        for worker in workers {
            worker.jobs.advance()
            pthread_join(worker.handle, nil)
        }
        workers = []
    }

    private func work(_ worker: Worker) {
        var seen: UInt32 = 0
        while true {
            worker.jobs.wait(whileEqual: seen)
            seen &+= 1
            if isStopping.load(ordering: .acquiring) { return }
            if let job { perform(job, thread: worker.thread) }
        }
    }

    private func perform(_ job: Job, thread: Int) {
        let before = lathe_involuntary_switches()
        job(thread)
        let taken = lathe_involuntary_switches() - before
        if taken > 0 { switches.add(Int(taken), ordering: .relaxed) }
        barrier(thread: thread)
    }
}

/// A thread of a pool besides the caller's.
private final class Worker {
    let pool: ThreadPool
    let thread: Int
    var handle = pthread_t()
    /// Raised once for every job that this thread takes part in.
    let jobs = FutexWord()

    init(pool: ThreadPool, thread: Int) {
        self.pool = pool
        self.thread = thread
    }
}
