import Runtime

/// Guesses what a sequence goes on with. A generation verifies guesses in the step of the token before them, so that they
/// change its speed and nothing else.
public protocol Drafter {
    /// Whether it ever guesses: known when compiling, so that what drafts need is left out where none are made.
    static var guesses: Bool { get }

    /// How many of the most likely next tokens it wants to see of every row of a step; 0 for none.
    var candidateCount: Int { get }

    /// Takes note of the token that the sequence goes on with, whether of the prompt or chosen.
    mutating func append(_ token: UInt32)

    /// At most `tokens` guesses of what follows the last token, in no more than `rows` rows together with masks.
    mutating func draft(tokens: Int, rows: Int) -> Draft

    /// Takes note of what came of the last draft, before the tokens that it has brought are appended.
    mutating func learn(from step: VerifiedStep)
}

extension Drafter {
    public static var guesses: Bool { true }
}

/// What a step found that evaluated the sequence's last token and a draft behind it.
public struct VerifiedStep: Sendable {
    public let draft: Draft
    /// The nodes that the sequence goes on with, each behind the one before it.
    public let accepted: [Int]
    /// The most likely tokens behind the sequence's last token, and then behind each node, in order: as many as the drafter
    /// wanted to see.
    public let candidates: [[Candidate]]
    /// The same behind each mask of the group behind the last token that the sequence had already, or was accepted: what may
    /// follow the token that was chosen last, and what may follow that. None where there are no masks there.
    public let foreseen: [[Candidate]]
    /// What it took, in seconds.
    public let seconds: Double

    public init(
        draft: Draft, accepted: [Int], candidates: [[Candidate]], foreseen: [[Candidate]] = [], seconds: Double
    ) {
        self.draft = draft
        self.accepted = accepted
        self.candidates = candidates
        self.foreseen = foreseen
        self.seconds = seconds
    }
}

/// Guesses nothing: one token a step.
public struct NoDrafter: Drafter {
    public static var guesses: Bool { false }
    public init() {}
    public var candidateCount: Int { 0 }
    public mutating func append(_ token: UInt32) {}
    public mutating func draft(tokens: Int, rows: Int) -> Draft { Draft() }
    public mutating func learn(from step: VerifiedStep) {}
}
