import CSystem
import Runtime

/// Perplexity as llama.cpp's tool computes it.
public struct Perplexity: Sendable {
    /// Sum of negative log-likelihoods of the scored tokens, in nats.
    public private(set) var negativeLogLikelihood = 0.0
    /// Scored tokens.
    public private(set) var tokenCount = 0

    public init() {}

    /// The perplexity of what was scored; NaN before anything was.
    public var value: Double {
        tokenCount == 0 ? .nan : exponential(negativeLogLikelihood / Double(tokenCount))
    }

    /// Scores the second half of one chunk, which `session` runs from its beginning.
    public mutating func score(_ chunk: [UInt32], session: Session) throws(RuntimeError) {
        try ChunkEvaluation(chunk: chunk).run([session]) { next, logits in
            add(next, TokenDistribution(logits[0]))
        }
    }

    mutating func add(_ next: UInt32, _ distribution: TokenDistribution) {
        negativeLogLikelihood -= distribution.logProbability(Int(next))
        tokenCount += 1
    }
}

/// How far a plan's predictions are from a reference plan's, over the positions that perplexity scores.
public struct Divergence: Sendable {
    public private(set) var perplexity = Perplexity()
    /// Kullback-Leibler divergence of the plan from the reference at every scored position, in nats.
    private var divergences: [Double] = []
    private var agreements = 0

    public init() {}

    public var mean: Double {
        var sum = 0.0
        for divergence in divergences { sum += divergence }
        return divergences.isEmpty ? .nan : sum / Double(divergences.count)
    }

    /// The 99th percentile of the divergences.
    public var percentile99: Double {
        guard !divergences.isEmpty else { return .nan }
        return divergences.sorted(by: <)[min(divergences.count - 1, divergences.count * 99 / 100)]
    }

    /// The share of positions at which both find the same token most likely.
    public var topAgreement: Double {
        divergences.isEmpty ? .nan : Double(agreements) / Double(divergences.count)
    }

    /// Scores the second half of one chunk. The plans must have the same vocabulary.
    public mutating func score(_ chunk: [UInt32], session: Session, reference: Session) throws(RuntimeError) {
        try ChunkEvaluation(chunk: chunk).run([session, reference]) { next, logits in
            let (found, expected) = (TokenDistribution(logits[0]), TokenDistribution(logits[1]))
            perplexity.add(next, found)
            var divergence = 0.0
            for token in 0..<min(logits[0].count, logits[1].count) {
                let logProbability = expected.logProbability(token)
                divergence += exponential(logProbability) * (logProbability - found.logProbability(token))
            }
            // Rounding may leave less than nothing; what is not a number stays so.
            divergences.append(divergence < 0 ? 0 : divergence)
            if Sampler.greedy(logits[0]) == Sampler.greedy(logits[1]) { agreements += 1 }
        }
    }
}

/// The C library's functions: statistics need no equal bits on every machine.
func exponential(_ x: Double) -> Double { exp(x) }
func logarithm(_ x: Double) -> Double { log(x) }
