/// A token that a logit belongs to.
public struct Candidate: Sendable, Equatable {
    public var token: UInt32
    public var logit: Float

    public init(token: UInt32, logit: Float) {
        self.token = token
        self.logit = logit
    }

    /// More likely first; the lower id among equals, so that the order is total.
    public static func precedes(_ a: Candidate, _ b: Candidate) -> Bool {
        a.logit > b.logit || (a.logit == b.logit && a.token < b.token)
    }
}
