import Compiler
import Runtime

/// One thing that is measured.
struct BenchTest {
    enum Kind {
        /// A prompt of so many tokens, evaluated in the largest steps; logits of its last token.
        case prefill(Int)
        /// So many tokens one by one, each with its logits.
        case decode(Int)
    }

    let kind: Kind
    /// Tokens in the context before.
    let depth: Int

    /// llama-bench's name of the test.
    var name: String {
        let name =
            switch kind {
            case .prefill(let count): "pp\(count)"
            case .decode(let count): "tg\(count)"
            }
        return depth > 0 ? "\(name) @ d\(depth)" : name
    }

    /// Measures `repetitions` times after one run that does not count.
    func run(_ session: Session, repetitions: Int, roofline: Roofline) throws -> BenchResult {
        var rates: [Double] = []
        for repetition in 0...repetitions {
            session.truncate(to: 0)
            try prefill(depth, session)
            let start = ContinuousClock.now
            let count: Int
            switch kind {
            case .prefill(let length):
                count = length
                try prefill(length, session)
            case .decode(let length):
                count = length
                for _ in 0..<length { try step(1, session, wantsLogits: true) }
            }
            if repetition > 0 { rates.append(Double(count) / (ContinuousClock.now - start).inSeconds) }
        }
        let mean = rates.reduce(0, +) / Double(rates.count)
        let variance = rates.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(1, rates.count - 1))
        return BenchResult(
            name: name, mean: mean, deviation: variance.squareRoot(),
            rooflineFraction: roofline.fraction(of: mean, kind: kind, depth: depth, session: session))
    }

    private func prefill(_ count: Int, _ session: Session) throws {
        let chunk = session.engine.plan.program.maximumRows
        for start in stride(from: 0, to: count, by: chunk) {
            let rows = min(chunk, count - start)
            try step(rows, session, wantsLogits: start + rows == count)
        }
    }

    /// Tokens follow a fixed pattern over the vocabulary: speed does not depend on them.
    private func step(_ count: Int, _ session: Session, wantsLogits: Bool) throws {
        let vocabulary = session.engine.plan.program.vocabularySize
        let tokens = (0..<count).map { UInt32((session.committed + $0) * 7919 % vocabulary) }
        try session.evaluate(Row.chain(tokens, after: session.committed))
        if wantsLogits { _ = try session.logits(of: [count - 1]) }
        try session.commit(Array(0..<count))
    }
}

/// What a test gave.
struct BenchResult {
    let name: String
    /// Tokens a second.
    let mean: Double
    /// Standard deviation of the repetitions.
    let deviation: Double
    let rooflineFraction: Double

    var json: [String: Any] {
        ["test": name, "tokens_per_second": mean, "stddev": deviation, "roofline_fraction": rooflineFraction]
    }
}
