import Plans
import Runtime

/// Runs a chunk of tokens through one or several sessions side by side and shows every scored position's logits.
///
/// Chunks and scored positions are those of llama.cpp's perplexity tool: a chunk begins anew, and position i predicts
/// token i + 1 for every i from the middle on.
struct ChunkEvaluation {
    let chunk: [UInt32]

    /// Calls `body` with the token that was to be predicted and the logits of every session, one row each. The sessions
    /// are emptied first; they may belong to different plans of one vocabulary.
    func run(
        _ sessions: [Session], _ body: (_ next: UInt32, _ logits: [UnsafeBufferPointer<Float>]) -> Void
    ) throws(RuntimeError) {
        var (maximumRows, maximumOutputs) = (chunk.count, chunk.count)
        for session in sessions {
            session.reset()
            // A token is scored before its own step, if it has one, could refuse it.
            let vocabularySize = session.engine.plan.program.vocabularySize
            for (index, token) in chunk.enumerated() where Int(token) >= vocabularySize {
                throw .unknownInput(row: index)
            }
            maximumRows = min(maximumRows, session.engine.plan.program.maximumRows)
            maximumOutputs = min(maximumOutputs, session.engine.plan.program.maximumOutputs)
        }
        var start = 0
        while start < chunk.count {
            let end = min(start + maximumRows, chunk.count)
            for session in sessions { try session.evaluate(Row.chain(chunk[start..<end], after: start)) }
            var position = max(start, chunk.count / 2)
            while position < min(end, chunk.count - 1) {
                let last = min(position + maximumOutputs, end, chunk.count - 1)
                try score(position..<last, from: start, sessions, body)
                position = last
            }
            for session in sessions { try session.commit(Array(0..<end - start)) }
            start = end
        }
    }

    private func score(
        _ positions: Range<Int>, from start: Int, _ sessions: [Session],
        _ body: (_ next: UInt32, _ logits: [UnsafeBufferPointer<Float>]) -> Void
    ) throws(RuntimeError) {
        var logits: [Logits] = []
        for session in sessions { logits.append(try session.logits(of: positions.map { $0 - start })) }
        for (index, position) in positions.enumerated() {
            body(chunk[position + 1], logits.compactMap { $0.row(index) })
        }
    }
}

/// Probabilities of a row of logits, in double precision.
struct TokenDistribution {
    let logits: UnsafeBufferPointer<Float>
    /// What is subtracted from a logit to make it a natural logarithm of a probability.
    let logTotal: Double

    init(_ logits: UnsafeBufferPointer<Float>) {
        self.logits = logits
        var largest = -Float.infinity
        for logit in logits { largest = max(largest, logit) }
        var sum = 0.0
        for logit in logits { sum += exponential(Double(logit - largest)) }
        logTotal = Double(largest) + logarithm(sum)
    }

    /// The natural logarithm of a token's probability.
    func logProbability(_ token: Int) -> Double { Double(logits[token]) - logTotal }
}
