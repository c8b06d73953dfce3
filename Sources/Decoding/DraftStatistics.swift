/// What drafting did during a generation.
public struct DraftStatistics: Sendable {
    /// Steps that chose a token, those of prompts left out.
    public private(set) var steps = 0
    /// Tokens that those steps chose.
    public private(set) var tokens = 0
    /// Tokens that were guessed.
    public private(set) var drafted = 0
    /// Rows that were masks.
    public private(set) var masks = 0
    /// By how many tokens a guess lies behind the sequence, one less: steps that guessed so far, and those that went so far.
    public private(set) var positions: [(offered: Int, accepted: Int)] = []
    /// Time taken to guess, and to evaluate and verify.
    public internal(set) var draftSeconds = 0.0
    public internal(set) var verifySeconds = 0.0

    /// Tokens chosen in a step, on average; 1 before any step.
    public var tokensPerStep: Double { steps > 0 ? Double(tokens) / Double(steps) : 1 }

    /// Guesses that were right.
    public var accepted: Int { tokens - steps }

    mutating func add(_ draft: Draft, accepted: Int) {
        steps += 1
        tokens += accepted + 1
        drafted += draft.tree.count
        masks += draft.maskCount
        var deepest = 0
        for depth in draft.tree.depths { deepest = max(deepest, depth) }
        while positions.count < deepest { positions.append((0, 0)) }
        for depth in 0..<deepest {
            positions[depth].offered += 1
            if depth < accepted { positions[depth].accepted += 1 }
        }
    }
}
