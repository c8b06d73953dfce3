import Dispatch
import Synchronization

/// Work cut into pieces that do not depend on each other: what comes out does not show who did what.
enum ParallelPieces {
    /// Calls `body` once for every piece, on `threads` threads, or on as many as there are processors where it is nil.
    /// `body` runs on several threads at once: a piece writes only what no other one reads or writes.
    static func perform(_ pieces: Int, threads: Int? = nil, _ body: (Int) -> Void) {
        withoutActuallyEscaping(body) { body in
            // The compiler cannot see that pieces write to different places; each caller sees to it.
            nonisolated(unsafe) let body = body
            guard let threads else {
                if pieces == 1 { body(0) } else { DispatchQueue.concurrentPerform(iterations: pieces) { body($0) } }
                return
            }
            let next = Atomic<Int>(0)
            DispatchQueue.concurrentPerform(iterations: max(1, threads)) { _ in
                while true {
                    let piece = next.wrappingAdd(1, ordering: .relaxed).oldValue
                    if piece >= pieces { return }
                    body(piece)
                }
            }
        }
    }

    /// Cuts `count` things into pieces of `size`, the last one shorter.
    static func perform(_ count: Int, by size: Int, threads: Int? = nil, _ body: (Range<Int>) -> Void) {
        perform((count + size - 1) / size, threads: threads) { piece in
            body(piece * size..<min((piece + 1) * size, count))
        }
    }
}
