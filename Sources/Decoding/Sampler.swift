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

    /// A token that a logit belongs to.
    struct Candidate: Equatable {
        var token: UInt32
        var logit: Float

        /// More likely first; the lower id among equals, so that the order is total.
        static func precedes(_ a: Candidate, _ b: Candidate) -> Bool {
            a.logit > b.logit || (a.logit == b.logit && a.token < b.token)
        }
    }

    /// The next token for a row of logits; it advances the random stream once unless greedy. An empty row gives 0.
    public mutating func sample(_ logits: UnsafeBufferPointer<Float>) -> UInt32 {
        if options.temperature <= 0 || options.topK == 1 { return Sampler.greedy(logits) }
        var kept = Sampler.mostLikely(logits, count: options.topK > 0 ? options.topK : logits.count)
        guard let best = kept.first else { return 0 }
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
        var best = 0
        for token in 0..<logits.count where logits[token] > logits[best] { best = token }
        return UInt32(best)
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

    /// The `count` most likely tokens in order: a heap of that size over one pass, so that a large vocabulary is not
    /// sorted for a small k.
    static func mostLikely(_ logits: UnsafeBufferPointer<Float>, count: Int) -> [Candidate] {
        guard count < logits.count else {
            var all: [Candidate] = []
            all.reserveCapacity(logits.count)
            for token in 0..<logits.count { all.append(Candidate(token: UInt32(token), logit: logits[token])) }
            all.sort(by: Candidate.precedes)
            return all
        }
        var heap: [Candidate] = []
        heap.reserveCapacity(count)
        for token in 0..<logits.count {
            let candidate = Candidate(token: UInt32(token), logit: logits[token])
            if heap.count < count {
                heap.append(candidate)
                siftUp(&heap)
            } else if Candidate.precedes(candidate, heap[0]) {
                heap[0] = candidate
                siftDown(&heap)
            }
        }
        heap.sort(by: Candidate.precedes)
        return heap
    }

    /// The heap's root is its least likely candidate.
    private static func siftUp(_ heap: inout [Candidate]) {
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard Candidate.precedes(heap[parent], heap[child]) else { return }
            heap.swapAt(parent, child)
            child = parent
        }
    }

    private static func siftDown(_ heap: inout [Candidate]) {
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && Candidate.precedes(heap[least], heap[child]) {
                least = child
            }
            guard least != parent else { return }
            heap.swapAt(least, parent)
            parent = least
        }
    }
}
