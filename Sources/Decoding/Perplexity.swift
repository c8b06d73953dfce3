import CSystem
import Plans
import Runtime

/// Perplexity as llama.cpp's tool computes it: chunks that do not overlap, each begun anew, the second half scored.
public struct Perplexity {
    /// Sum of negative log-likelihoods of the scored tokens, in nats.
    public private(set) var negativeLogLikelihood = 0.0
    /// Scored tokens.
    public private(set) var tokenCount = 0

    public init() {}

    public var value: Double { tokenCount == 0 ? .nan : exp(negativeLogLikelihood / Double(tokenCount)) }

    /// Scores one chunk: position i predicts token i + 1, for i from the middle on. `session` is emptied first.
    public mutating func score(_ chunk: [UInt32], session: Session) throws(RuntimeError) {
        session.truncate(to: 0)
        let program = session.engine.plan.program
        // A token is scored before its own step, if any, has refused it.
        for (index, token) in chunk.enumerated() where Int(token) >= program.vocabularySize {
            throw .unknownInput(row: index)
        }
        let firstScored = chunk.count / 2
        var start = 0
        while start < chunk.count {
            let end = min(start + program.maximumRows, chunk.count)
            try session.evaluate(Row.chain(chunk[start..<end], after: start))
            var position = max(start, firstScored)
            while position < min(end, chunk.count - 1) {
                let last = min(position + program.maximumOutputs, end, chunk.count - 1)
                let logits = try session.logits(of: (position..<last).map { $0 - start })
                for index in 0..<last - position {
                    guard let row = logits.row(index) else { continue }
                    negativeLogLikelihood -= Perplexity.logProbability(of: chunk[position + index + 1], in: row)
                    tokenCount += 1
                }
                position = last
            }
            try session.commit(Array(0..<end - start))
            start = end
        }
    }

    /// The natural logarithm of a token's probability.
    static func logProbability(of token: UInt32, in logits: UnsafeBufferPointer<Float>) -> Double {
        var largest = -Float.infinity
        for logit in logits { largest = max(largest, logit) }
        var sum = 0.0
        for logit in logits { sum += exp(Double(logit - largest)) }
        return Double(logits[Int(token)] - largest) - log(sum)
    }
}
