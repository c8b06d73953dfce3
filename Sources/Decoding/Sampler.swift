import Runtime

/// How the next token is chosen.
public struct SamplingOptions: Sendable, Equatable {
    /// 0 is greedy.
    public var temperature: Float
    /// The number of most likely tokens kept; 0 keeps all.
    public var topK: Int
    /// The smallest set of most likely tokens with at least this probability is kept; 1 keeps all.
    public var topP: Float
    /// Tokens below this share of the most likely one's probability are dropped; 0 keeps all.
    public var minP: Float
    public var seed: UInt64

    public init(temperature: Float = 0.8, topK: Int = 40, topP: Float = 0.95, minP: Float = 0.05, seed: UInt64 = 0) {
        self.temperature = temperature
        self.topK = topK
        self.topP = topP
        self.minP = minP
        self.seed = seed
    }

    /// Always the most likely token.
    public static let greedy = SamplingOptions(temperature: 0)
}

/// Chooses tokens from logits: top-k, top-p, min-p, then temperature, in llama.cpp's order.
public struct Sampler: Sendable {
    public let options: SamplingOptions
    private var random: RandomSource

    public init(_ options: SamplingOptions) {
        self.options = options
        random = RandomSource(seed: options.seed)
    }

    /// How many of the most likely tokens are all that a choice depends on; nil where it takes the whole vocabulary, or
    /// so many of it that looking for them is no gain.
    public var candidateCount: Int? {
        if options.temperature <= 0 { return 1 }
        return (1...Sampler.mostCandidates).contains(options.topK) ? options.topK : nil
    }

    private static let mostCandidates = 256

    /// The next token for a row of logits; it advances the random stream once unless greedy. An empty row gives 0.
    public mutating func sample(_ logits: UnsafeBufferPointer<Float>) -> UInt32 {
        choose(from: Sampler.mostLikely(logits, count: candidateCount ?? (options.topK > 0 ? options.topK : .max)))
    }

    /// The next token, given the most likely ones in order: as many as `candidateCount` says, or all. None give 0.
    public mutating func choose(from candidates: [Candidate]) -> UInt32 {
        var kept = candidates
        guard let best = kept.first else { return 0 }
        if candidateCount == 1 { return best.token }
        if options.topP < 1 { keepTopP(&kept) }
        if options.minP > 0 {
            // A ratio of probabilities is a difference of logits, so min-p needs no normalization.
            kept.removeAll { portableExponential($0.logit - best.logit) < options.minP && $0 != best }
        }
        var weights: [Float] = []
        var total: Float = 0
        for candidate in kept {
            let weight = portableExponential((candidate.logit - best.logit) / options.temperature)
            weights.append(weight)
            total += weight
        }
        var remaining = random.nextUnit() * total
        for (index, weight) in weights.enumerated() {
            remaining -= weight
            if remaining < 0 { return kept[index].token }
        }
        // Logits that are not numbers compare with nothing, so that none may be left.
        return kept.last?.token ?? best.token
    }

    /// The most likely token, the lowest id among equals.
    public static func greedy(_ logits: UnsafeBufferPointer<Float>) -> UInt32 {
        mostLikely(logits, count: 1).first?.token ?? 0
    }

    private func keepTopP(_ kept: inout [Candidate]) {
        guard let best = kept.first else { return }
        var total: Float = 0
        for candidate in kept { total += portableExponential(candidate.logit - best.logit) }
        var sum: Float = 0
        for (index, candidate) in kept.enumerated() {
            sum += portableExponential(candidate.logit - best.logit)
            if sum >= options.topP * total {
                kept.removeLast(kept.count - index - 1)
                return
            }
        }
    }

    /// The `count` most likely tokens in order; all of them where there are no more.
    static func mostLikely(_ logits: UnsafeBufferPointer<Float>, count: Int) -> [Candidate] {
        guard count < logits.count else { return sortedCandidates(logits) }
        var found = MostLikely(count)
        found.offer(logits, from: 0)
        return found.sorted
    }
}
