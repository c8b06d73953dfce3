import Lowering
import Passes

/// What a compile does to a model.
public struct CompileOptions: Sendable, Equatable {
    /// What becomes of matrices that `quantization` does not choose for.
    public var precision: WeightPrecision
    /// Quantization by measurement; nil for none.
    public var quantization: QuantizationOptions?
    /// Layers that use the attention weights of the layer before them; none where it is empty.
    public var sharedAttention: [ShareAttention.Span]

    public init(
        precision: WeightPrecision = .keep, quantization: QuantizationOptions? = nil,
        sharedAttention: [ShareAttention.Span] = []
    ) {
        self.precision = precision
        self.quantization = quantization
        self.sharedAttention = sharedAttention
    }
}

/// Quantization to a size, each matrix as precise as its measured effect on the predictions deserves.
public struct QuantizationOptions: Sendable, Equatable {
    /// How large the plan may be; the whole file counts.
    public enum Target: Sendable, Equatable {
        /// Bits of the file over the number of weights in the model's matrices.
        case bitsPerWeight(Double)
        case bytes(Int)
    }

    public var target: Target
    /// A file of plain text to calibrate with; nil for the built-in text.
    public var calibration: String?
    public var rounding: RoundingChoice

    public init(target: Target, calibration: String? = nil, rounding: RoundingChoice = .measured) {
        self.target = target
        self.calibration = calibration
        self.rounding = rounding
    }

    /// What is asked for, in a few words.
    var summary: String {
        let size =
            switch target {
            case .bitsPerWeight(let bits): "\(bits) bits a weight"
            case .bytes(let bytes): "\(bytes) bytes"
            }
        return "to \(size) at most, rounding \(rounding.rawValue)"
    }
}

/// How weights become codes.
public enum RoundingChoice: String, Sendable, CaseIterable {
    /// Against the second moments of the matrix's inputs on calibration text.
    case measured
    /// To the nearest level, for comparison.
    case nearest
}

/// What a compile made.
public struct CompileReport: Sendable {
    public let planBytes: Int
    public let seconds: Double
    public let peakMemoryBytes: Int
    /// Bits of the whole plan over the number of weights in its matrices.
    public let bitsPerWeight: Double
    /// One line for each pass.
    public let passes: [String]
    /// What quantization by measurement did; nil where there was none.
    public let quantization: QuantizationReport?
}
