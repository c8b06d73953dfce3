import Synchronization

/// Equal units of one phase's work, cut into a contiguous share for each thread; who has finished its own helps the
/// others, so that a thread which the system took off its processor delays the rest by one unit, not by its share.
///
/// Used at most once between two barriers. Every thread counts in two sets of counters that take turns: while one is
/// used, nobody looks at the other, and it is set back.
final class WorkShares: @unchecked Sendable {
    /// Counters on lines of their own: a thread mostly touches its own one.
    private static let stride = 128

    private let threadCount: Int
    private let storage: UnsafeMutableRawPointer

    init(threadCount: Int) {
        self.threadCount = threadCount
        storage = .allocate(byteCount: 2 * threadCount * WorkShares.stride, alignment: WorkShares.stride)
        for index in 0..<2 * threadCount {
            (storage + index * WorkShares.stride).bindMemory(to: Atomic<Int>.self, capacity: 1).initialize(
                to: Atomic(0))
        }
    }

    deinit {
        storage.deallocate()
    }

    /// Calls `body` for ranges of the units 0..<count until all of them are taken. `threads` of them share the work;
    /// `phase` tells the sets of counters apart. A range is one unit, or, where `isCoarse`, three quarters of what is
    /// left of a share: taking a range waits for every load under way, which a stream of weights feels.
    func forEachRange(
        of count: Int, isCoarse: Bool, thread: Int, threads: Int, phase: UInt32, _ body: (Range<Int>) -> Void
    ) {
        for offset in 0..<threads {
            let owner = thread + offset < threads ? thread + offset : thread + offset - threads
            let begin = count * owner / threads
            let size = count * (owner + 1) / threads - begin
            let counter = counter(thread: owner, phase: phase)
            while true {
                // Looking first keeps a finished share's line from travelling between processors.
                let left = size - counter.pointee.load(ordering: .relaxed)
                guard left > 0 else { break }
                let wanted = isCoarse ? (3 * left + 3) / 4 : 1
                let first = counter.pointee.wrappingAdd(wanted, ordering: .relaxed).oldValue
                guard first < size else { break }
                body(begin + first..<begin + min(size, first + wanted))
            }
        }
    }

    /// Sets back the counter that a thread uses in the next phase; called before the barrier that ends `phase`.
    func prepare(thread: Int, after phase: UInt32) {
        counter(thread: thread, phase: phase &+ 1).pointee.store(0, ordering: .relaxed)
    }

    /// Sets back every counter; no job may be running.
    func reset() {
        for thread in 0..<threadCount {
            for phase in 0..<UInt32(2) { counter(thread: thread, phase: phase).pointee.store(0, ordering: .relaxed) }
        }
    }

    private func counter(thread: Int, phase: UInt32) -> UnsafeMutablePointer<Atomic<Int>> {
        (storage + (2 * thread + Int(phase & 1)) * WorkShares.stride).assumingMemoryBound(to: Atomic<Int>.self)
    }
}
