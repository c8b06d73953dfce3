import Plans

/// A token that a logit belongs to.
public struct Candidate: Sendable, Equatable {
    public var token: UInt32
    public var logit: Float

    public init(token: UInt32, logit: Float) {
        self.token = token
        self.logit = logit
    }

    /// The more likely ones first.
    @inline(never)
    public static func sorted(_ candidates: [Candidate]) -> [Candidate] {
        sortedIndices(candidates.count) { precedes(candidates[$0], candidates[$1]) }.map { candidates[$0] }
    }

    /// More likely first; the lower id among equals, so that the order is total.
    public static func precedes(_ a: Candidate, _ b: Candidate) -> Bool {
        a.logit > b.logit || (a.logit == b.logit && a.token < b.token)
    }
}
