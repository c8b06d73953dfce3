import Decoding
import Runtime

/// Guesses from a text that is known beforehand, rightly or wrongly.
struct KnownTextDrafter: Drafter {
    enum Kind: CaseIterable, Sendable {
        /// What follows, as far as it may.
        case right
        /// Nothing that follows.
        case wrong
        /// What follows for a number of tokens that changes, then something else.
        case partly
        /// What follows, with wrong guesses beside it and behind them the right ones for their place.
        case amongWrong
        /// What follows, with masks of noise and of tokens behind the last token and behind every guess.
        case amongMasks
    }

    let kind: Kind
    /// The prompt and what follows it.
    let text: [UInt32]
    /// Tokens from here on do not exist.
    let vocabulary: UInt32
    private var position = 0
    private var steps = 0
    private(set) var seen: [[Candidate]] = []
    private(set) var foreseen: [[Candidate]] = []

    /// Values of an embedding.
    private let width: Int

    init(_ kind: Kind, text: [UInt32], session: Session) {
        (self.kind, self.text) = (kind, text)
        vocabulary = UInt32(session.engine.plan.program.vocabularySize)
        width = session.engine.embedding(of: 0)?.count ?? 0
    }

    var candidateCount: Int { kind == .amongWrong || kind == .amongMasks ? 3 : 0 }

    mutating func append(_ token: UInt32) { position += 1 }

    mutating func draft(tokens limit: Int, rows: Int) -> Draft {
        let tree = tree(limit: limit)
        guard kind == .amongMasks else { return Draft(tree) }
        var draft = Draft(tree)
        var random = RandomFloats(UInt64(steps))
        draft.embeddings = (0..<3).map { _ in random.floats(width, size: 50) }
        for node in [nil] + tree.tokens.indices.map(Optional.some) where tree.count + draft.maskCount + 4 <= rows {
            let inputs: [Row.Input] = [
                .embedding(draft.masks.count % 3), .token(UInt32(draft.masks.count) % vocabulary), .embedding(1),
            ]
            draft.masks.append(MaskGroup(node: node, inputs: Array(inputs.prefix(1 + draft.masks.count % 3))))
        }
        return draft
    }

    private mutating func tree(limit: Int) -> TokenTree {
        steps += 1
        let next = position < text.count ? Array(text[position...].prefix(limit)) : []
        func wrong(_ token: UInt32, by distance: UInt32 = 1) -> UInt32 { (token + distance) % vocabulary }
        switch kind {
        case .right, .amongMasks: return TokenTree(chain: next)
        case .wrong: return TokenTree(chain: next.map { wrong($0) })
        case .partly:
            let right = steps % 5
            return TokenTree(chain: next.prefix(right) + next.dropFirst(right).map { wrong($0) })
        case .amongWrong:
            var tree = TokenTree()
            var parent: Int?
            for token in next {
                guard tree.count + 3 <= limit else { break }
                let neighbour = tree.add(wrong(token), after: parent)
                tree.add(token, after: neighbour)
                parent = tree.add(token, after: parent)
            }
            return tree
        }
    }

    mutating func learn(from step: VerifiedStep) { (seen, foreseen) = (step.candidates, step.foreseen) }
}
