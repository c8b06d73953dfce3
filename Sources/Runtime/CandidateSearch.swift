import Plans

/// What each thread has found of the most likely tokens while the head computes their logits.
final class CandidateSearch: @unchecked Sendable {
    let count: Int
    private let threads: [ThreadCandidates]

    init(count: Int, rows: Int, engine: Engine) {
        self.count = count
        threads = (0..<engine.threadCount).map { _ in
            ThreadCandidates([MostLikely](repeating: MostLikely(count, kernels: engine.kernels), count: rows))
        }
    }

    /// Takes the logits of the tokens from `first` on of one row, which `thread` has just computed.
    func offer(_ logits: UnsafeBufferPointer<Float>, from first: Int, row: Int, thread: Int) {
        threads[thread].rows[row].offer(logits, from: UInt32(first))
    }

    /// The most likely tokens of a row in order, from what all threads have found.
    func result(row: Int) -> [Candidate] {
        var all = MostLikely(count)
        for thread in threads { all.merge(thread.rows[row]) }
        return all.sorted
    }
}

/// One thread's finds, for each row asked for: no other thread touches them during a job.
private final class ThreadCandidates {
    var rows: [MostLikely]
    init(_ rows: [MostLikely]) { self.rows = rows }
}
