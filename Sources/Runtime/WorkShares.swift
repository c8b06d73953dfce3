import Synchronization

/// Equal units of one phase's work, cut into a contiguous share for each thread; who has finished its own helps the
/// others, so that a thread which the system took off its processor delays the rest by one unit, not by its share.
///
/// Used at most once between two barriers. Every thread counts in two sets of counters that take turns: while one is
/// used, nobody looks at the other, and it is set back.
final class WorkShares: @unchecked Sendable {
    /// Counters on lines of their own: a thread mostly touches its own one.
    private static let stride = 128

    private let storage: UnsafeMutableRawPointer

    init(threadCount: Int) {
        storage = .allocate(byteCount: 2 * threadCount * WorkShares.stride, alignment: WorkShares.stride)
        for index in 0..<2 * threadCount {
            (storage + index * WorkShares.stride).bindMemory(to: Atomic<Int>.self, capacity: 1).initialize(
                to: Atomic(0))
        }
    }

    deinit {
        storage.deallocate()
    }

    /// Calls `body` for units of 0..<count until all of them are taken. `threads` of them share the work; `phase` tells
    /// the sets of counters apart.
    func forEachUnit(of count: Int, thread: Int, threads: Int, phase: UInt32, _ body: (Int) -> Void) {
        for offset in 0..<threads {
            let owner = thread + offset < threads ? thread + offset : thread + offset - threads
            let begin = count * owner / threads
            let size = count * (owner + 1) / threads - begin
            let counter = counter(thread: owner, phase: phase)
            // Looking first keeps a finished share's line from travelling between processors.
            while counter.pointee.load(ordering: .relaxed) < size {
                let unit = counter.pointee.add(1, ordering: .relaxed).oldValue
                guard unit < size else { break }
                body(begin + unit)
            }
        }
    }

    /// Sets back the counter that a thread uses in the next phase; called before the barrier that ends `phase`.
    func prepare(thread: Int, after phase: UInt32) {
        counter(thread: thread, phase: phase &+ 1).pointee.store(0, ordering: .relaxed)
    }

    private func counter(thread: Int, phase: UInt32) -> UnsafeMutablePointer<Atomic<Int>> {
        (storage + (2 * thread + Int(phase & 1)) * WorkShares.stride).assumingMemoryBound(to: Atomic<Int>.self)
    }
}
