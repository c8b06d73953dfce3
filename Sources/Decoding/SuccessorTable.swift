import Runtime

/// A token that the model named as likely, and its share among those named with it.
struct Successor: Equatable {
    var token: UInt32
    var share: Float

    /// The shares of tokens in their order. Logits that are not finite have none, and tokens without a share are left out.
    static func shares(of candidates: [Candidate]) -> [Successor] {
        guard let best = candidates.first else { return [] }
        var total: Float = 0
        for candidate in candidates { total += portableExponential(candidate.logit - best.logit) }
        return candidates.compactMap { candidate in
            let share = portableExponential(candidate.logit - best.logit) / total
            return share > 0 ? Successor(token: candidate.token, share: share) : nil
        }
    }
}

/// What the model named as most likely the last time that it was asked behind one token, or behind two: Token Recycling's
/// adjacency (Luo et al. 2024), of a fixed size. A context takes the place of another one with the same slot.
struct SuccessorTable {
    /// Successors kept of a context.
    static let width = 8

    /// Tokens that a context consists of.
    let contextLength: Int
    private var contexts: [UInt64]
    private var entries: [Successor]
    private let shift: Int

    /// 2 to the power of `bits` contexts of one token or two.
    init(contextLength: Int, bits: Int) {
        self.contextLength = contextLength
        shift = 64 - bits
        contexts = Array(repeating: UInt64.max, count: 1 << bits)
        entries = Array(repeating: Successor(token: 0, share: 0), count: SuccessorTable.width << bits)
    }

    /// Keeps what was most likely behind a context, in order, unless there is nothing.
    mutating func store(_ successors: [Successor], behind context: UInt64) {
        guard !successors.isEmpty else { return }
        let slot = slot(of: context)
        contexts[slot] = context
        for index in 0..<SuccessorTable.width {
            entries[slot * SuccessorTable.width + index] =
                index < successors.count ? successors[index] : Successor(token: 0, share: 0)
        }
    }

    /// The successors of a context, in order; none where it is not known.
    func successors(of context: UInt64) -> ArraySlice<Successor> {
        let slot = slot(of: context)
        guard contexts[slot] == context else { return [] }
        return entries[slot * SuccessorTable.width..<(slot + 1) * SuccessorTable.width].prefix { $0.share > 0 }
    }

    private func slot(of context: UInt64) -> Int { Int((context &* 0x9E37_79B9_7F4A_7C15) >> UInt64(shift)) }
}
