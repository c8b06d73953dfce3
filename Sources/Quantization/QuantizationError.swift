/// Why weights cannot be quantized.
public enum QuantizationError: Error, Sendable, Equatable {
    /// The numbers that are meant.
    public enum Operand: String, Sendable {
        case weights
        case inputs
        case moments
    }

    /// Infinity or NaN among the operand's values, or sums of them that left the range of float32.
    case notFinite(Operand)
    /// Sizes that do not belong together, or that no matrix can have.
    case badShape(Operand, expected: Int, found: Int)
    /// The second moments stayed without a factorization, however much they were damped.
    case notPositiveDefinite
    /// The processor has no kernels.
    case noKernels

    /// One line of cause.
    public var cause: String {
        switch self {
        case .notFinite(let operand): "the \(operand.rawValue) hold infinity or NaN"
        case .badShape(let operand, let expected, let found):
            "the \(operand.rawValue) have \(found) values where \(expected) belong"
        case .notPositiveDefinite: "the second moments of the inputs are not those of real inputs"
        case .noKernels: "this build has no kernels for this processor"
        }
    }

    /// One line of remedy.
    public var remedy: String {
        switch self {
        case .notFinite(.weights): "the checkpoint is damaged: fetch it again"
        case .notFinite, .notPositiveDefinite: "calibrate with other text, or quantize without calibration"
        case .badShape: "this is a mistake in the compiler: please report it"
        case .noKernels: "build for this processor"
        }
    }

    /// The process exit code that stands for this error.
    public var exitCode: Int32 {
        switch self {
        case .notFinite(.weights): 65
        case .noKernels: 69
        case .notFinite, .badShape, .notPositiveDefinite: 1
        }
    }
}
