/// Why a model cannot be calibrated.
public enum CalibrationError: Error, Sendable, Equatable {
    case unreadable(path: String)
    case empty(path: String)
    /// The text is not UTF-8 from a byte on.
    case notUTF8(path: String, offset: Int)
    /// The text has fewer tokens than what is asked for needs.
    case tooShort(path: String, tokens: Int, needed: Int)
    /// The model has no layers or rows to look at.
    case noRows
    /// A window of attention reaches over whole sequences of calibration text.
    case windowTooLong(positions: Int, chunkLength: Int)
    /// No choice of packings is that small.
    case targetTooSmall(bytes: Int, smallest: Int, smallestBitsPerWeight: Double)

    /// One line of cause.
    public var cause: String {
        switch self {
        case .unreadable(let path): "\(path): the calibration text cannot be read"
        case .empty(let path): "\(path): the calibration text is empty"
        case .notUTF8(let path, let offset): "\(path): the calibration text is not UTF-8 from byte \(offset) on"
        case .tooShort(let path, let tokens, let needed):
            "\(path): the calibration text has \(tokens) tokens, \(needed) are needed"
        case .noRows: "the model has nothing to calibrate"
        case .windowTooLong(let positions, let chunkLength):
            "what a window of \(positions) positions costs does not show in sequences of \(chunkLength) tokens"
        case .targetTooSmall(let bytes, let smallest, let bits):
            "the plan cannot be as small as \(bytes) bytes: with 2 bits everywhere it takes \(smallest), "
                + "\((bits * 100).rounded(.up) / 100) bits a weight"
        }
    }

    /// One line of remedy.
    public var remedy: String {
        switch self {
        case .unreadable, .empty: "name a file of plain text, or leave --calibration out for the built-in text"
        case .notUTF8: "convert the file to UTF-8"
        case .tooShort: "give more text, or leave --calibration out for the built-in text"
        case .noRows: "compile with --weights instead"
        case .windowTooLong: "choose a shorter window"
        case .targetTooSmall: "choose a larger --target-bpw or --target-size"
        }
    }

    /// The process exit code that stands for this error.
    public var exitCode: Int32 {
        switch self {
        case .unreadable: 66
        case .empty, .notUTF8, .tooShort: 65
        case .noRows: 69
        case .targetTooSmall, .windowTooLong: 64
        }
    }
}
