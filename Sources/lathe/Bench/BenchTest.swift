import Runtime

/// One thing that is measured.
struct BenchTest {
    enum Kind {
        /// A prompt of so many tokens, evaluated in the largest steps; logits of its last token.
        case prefill(Int)
        /// So many tokens one by one, each with its logits.
        case decode(Int)
        /// Steps of so many rows, as drafted tokens are verified: a chain or a binary tree, logits of each row, as many at once as
        /// the plan allows, nothing committed.
        case verify([Int], isTree: Bool)
    }

    let kind: Kind
    /// Tokens in the context before.
    let depth: Int
    /// Steps of each row count in one repetition of a verification.
    private static let verifications = 32

    /// Measures `repetitions` times after one run that does not count. A verification has a result for each row count.
    func run(_ session: Session, repetitions: Int, roofline: Roofline) throws -> [BenchResult] {
        switch kind {
        case .prefill(let count):
            let rates = try rates(session, repetitions: repetitions, tokens: count) { try session.appendPrompt(count) }
            return [
                BenchResult(name: name("pp\(count)"), rates: rates) {
                    roofline.promptFraction(of: $0, positions: Double(depth) + Double(count) / 2)
                }
            ]
        case .decode(let count):
            let rates = try rates(session, repetitions: repetitions, tokens: count) {
                for _ in 0..<count { try session.append(1, wantsLogits: true) }
            }
            return [
                BenchResult(name: name("tg\(count)"), rates: rates) {
                    roofline.stepFraction(of: $0, rows: 1, position: Double(depth) + Double(count) / 2)
                }
            ]
        case .verify(let rowCounts, let isTree):
            return try verify(rowCounts, isTree: isTree, session, repetitions: repetitions, roofline: roofline)
        }
    }

    /// llama-bench's way to write a depth.
    private func name(_ test: String) -> String { depth > 0 ? "\(test) @ d\(depth)" : test }

    /// Tokens a second of each repetition of `body`, which appends `tokens` tokens.
    private func rates(
        _ session: Session, repetitions: Int, tokens: Int, _ body: () throws -> Void
    ) throws -> [Double] {
        var rates: [Double] = []
        for repetition in 0...repetitions {
            try session.moveToDepth(depth)
            let start = ContinuousClock.now
            try body()
            if repetition > 0 { rates.append(Double(tokens) / (ContinuousClock.now - start).inSeconds) }
        }
        return rates
    }

    /// Steps of one row and of every row count take turns, so that a change of the machine's load meets all alike.
    private func verify(
        _ rowCounts: [Int], isTree: Bool, _ session: Session, repetitions: Int, roofline: Roofline
    ) throws -> [BenchResult] {
        try session.moveToDepth(depth)
        let counts = [1] + rowCounts
        let mostOutputs = session.engine.plan.program.maximumOutputs
        var seconds: [[Double]] = []
        for repetition in 0...repetitions {
            var sums = Array(repeating: 0.0, count: counts.count)
            for _ in 0..<Self.verifications {
                for (index, count) in counts.enumerated() {
                    let rows = isTree ? session.patternTree(count) : session.patternRows(count)
                    let start = ContinuousClock.now
                    try session.evaluate(rows)
                    for first in stride(from: 0, to: count, by: mostOutputs) {
                        _ = try session.logits(of: Array(first..<min(first + mostOutputs, count)))
                    }
                    sums[index] += (ContinuousClock.now - start).inSeconds
                }
            }
            if repetition > 0 { seconds.append(sums) }
        }
        return rowCounts.enumerated().map { index, count in
            let rates = seconds.map { Double(count * Self.verifications) / $0[index + 1] }
            let timesOneRow = seconds.reduce(0) { $0 + $1[index + 1] / $1[0] } / Double(seconds.count)
            return BenchResult(
                name: name(isTree ? "vt\(count) tree" : "vt\(count)"), rates: rates, timesOneRow: timesOneRow
            ) {
                roofline.stepFraction(of: $0, rows: count, position: Double(depth))
            }
        }
    }
}
