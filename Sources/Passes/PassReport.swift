/// What a pass did, for the report and the plan's facts.
public struct PassReport: Sendable, Equatable {
    /// The pass's name on the command line and in reports.
    public let name: String
    /// One sentence of result.
    public let summary: String

    public init(name: String, summary: String) {
        self.name = name
        self.summary = summary
    }
}
