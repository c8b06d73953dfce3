import CSystem
import Synchronization

/// Persistent threads that run one job together, and the barrier between a job's phases.
///
/// Waiting spins for a bounded time and then sleeps on a futex, so an over-subscribed machine loses a wake-up, not a
/// time slice. The caller's thread is thread 0.
final class ThreadPool: @unchecked Sendable {
    typealias Job = (_ thread: Int) -> Void

    let threadCount: Int
    /// Raised once for every job; workers sleep on it.
    private let generation = FutexWord()
    /// Raised once for every completed barrier.
    private let phase = FutexWord()
    private let arrived = Atomic<Int>(0)
    private let isStopping = Atomic<Bool>(false)
    private var job: Job?
    private var threads: [pthread_t] = []

    /// Starts `threadCount - 1` threads. Throws `noThread` where the system refuses one.
    init(threadCount: Int) throws(RuntimeError) {
        self.threadCount = max(1, threadCount)
        for index in 1..<max(1, threadCount) {
            let start = Unmanaged.passRetained(WorkerStart(pool: self, thread: index))
            var thread = pthread_t()
            let status = pthread_create(
                &thread, nil,
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
            threads.append(thread)
        }
    }

    /// Runs `job` once on every thread and returns when all have finished it.
    func run(_ job: @escaping Job) {
        guard threadCount > 1 else { return job(0) }
        self.job = job
        generation.advance()
        job(0)
        barrier()
        self.job = nil
    }

    /// Waits inside a job until every thread of it has come here.
    func barrier() {
        guard threadCount > 1 else { return }
        let current = phase.load()
        if arrived.add(1, ordering: .acquiringAndReleasing).newValue == threadCount {
            arrived.store(0, ordering: .relaxed)
            phase.advance()
        } else {
            phase.wait(whileEqual: current)
        }
    }

    /// Ends all threads; no job may be running.
    func stop() {
        isStopping.store(true, ordering: .releasing)
        generation.advance()
        for thread in threads { pthread_join(thread, nil) }
        threads = []
    }

    private func work(thread: Int) {
        var seen: UInt32 = 0
        while true {
            generation.wait(whileEqual: seen)
            seen &+= 1
            if isStopping.load(ordering: .acquiring) { return }
            job?(thread)
            barrier()
        }
    }
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
