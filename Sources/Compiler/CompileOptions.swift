import Lowering

/// What a compile does to a model.
public struct CompileOptions: Sendable, Equatable {
    public var precision: WeightPrecision

    public init(precision: WeightPrecision = .keep) {
        self.precision = precision
    }
}

/// What a compile made.
public struct CompileReport: Sendable {
    public let planBytes: Int
    public let seconds: Double
    public let peakMemoryBytes: Int
    /// Bits of matrices in the plan over their number of weights.
    public let bitsPerWeight: Double
    /// One line for each pass.
    public let passes: [String]
}
