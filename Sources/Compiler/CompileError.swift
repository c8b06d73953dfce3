import Checkpoints
import Lowering
import Models
import Passes
import Plans
import Quantization
import Runtime
import Tokenization

/// Why a compile ended without a plan.
public enum CompileError: Error {
    case checkpoint(CheckpointError)
    case model(ModelError)
    case sharing(ShareAttentionError)
    case linearization(LinearizeAttentionError)
    case lowering(LoweringError)
    case tokenizer(TokenizerLoweringError)
    case plan(PlanError)
    case runtime(RuntimeError)
    case calibration(CalibrationError)
    case quantization(QuantizationError)
    /// The tokenizer that was just compiled does not verify.
    case unusableTokenizer(TokenizerError)
    /// A weight is infinity or NaN, which no packing can carry through the kernels.
    case notFinite(tensor: String)
    /// The tokenizer knows more ids than the model has rows, or a special id lies outside.
    case vocabularyMismatch(tokenizer: Int, model: Int)

    /// A token that the vocabulary does not have was to stand for unknown ones.
    case noMaskToken(Int, vocabulary: Int)

    /// One line of cause.
    public var cause: String {
        switch self {
        case .checkpoint(let error): error.cause
        case .model(let error): error.cause
        case .sharing(let error): error.cause
        case .linearization(let error): error.cause
        case .lowering(let error): error.cause
        case .tokenizer(let error): error.cause
        case .plan(let error): String(decoding: error.cause, as: UTF8.self)
        case .runtime(let error): "\(error.cause)"
        case .calibration(let error): error.cause
        case .quantization(let error): error.cause
        case .unusableTokenizer(let error): String(decoding: error.cause, as: UTF8.self)
        case .notFinite(let tensor): "tensor \"\(tensor)\" holds infinity or NaN"
        case .vocabularyMismatch(let tokenizer, let model):
            "the tokenizer has \(tokenizer) tokens, the embedding only \(model) rows"
        case .noMaskToken(let token, let vocabulary): "token \(token) is none of the \(vocabulary) of the vocabulary"
        }
    }

    /// One line of remedy.
    public var remedy: String {
        switch self {
        case .checkpoint(let error): error.remedy
        case .model(let error): error.remedy
        case .sharing(let error): error.remedy
        case .linearization(let error): error.remedy
        case .lowering(let error): error.remedy
        case .tokenizer(let error): error.remedy
        case .plan(let error): String(decoding: error.remedy, as: UTF8.self)
        case .runtime(let error): "\(error.remedy)"
        case .calibration(let error): error.remedy
        case .quantization(let error): error.remedy
        case .unusableTokenizer(let error): "\(error.remedy)"
        case .notFinite: "the checkpoint is damaged: fetch it again"
        case .noMaskToken: "give the id that `lathe tokenize` shows for the mask's text"
        case .vocabularyMismatch: "the tokenizer and the weights do not belong together: fetch both again"
        }
    }

    /// The process exit code that stands for this error.
    public var exitCode: Int32 {
        switch self {
        case .checkpoint(let error): error.exitCode
        case .model(let error): error.exitCode
        case .sharing(let error): error.exitCode
        case .linearization(let error): error.exitCode
        case .lowering(let error): error.exitCode
        case .tokenizer(let error): error.exitCode
        case .plan(let error): error.exitCode
        case .runtime(let error): error.exitCode
        case .calibration(let error): error.exitCode
        case .quantization(let error): error.exitCode
        case .unusableTokenizer(let error): error.exitCode
        case .noMaskToken: 64
        case .notFinite, .vocabularyMismatch: 65
        }
    }
}
