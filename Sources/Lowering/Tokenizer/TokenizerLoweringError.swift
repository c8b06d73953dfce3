import Tokenization

/// Why a tokenizer definition could not be compiled.
public enum TokenizerLoweringError: Error, Sendable, Equatable {
    /// A pattern asks for something that its automaton cannot do exactly; `offset` counts Unicode scalars.
    case unsupportedPattern(feature: String, offset: Int, pattern: String)
    /// The definition asks for something else that the runtime does not do.
    case unsupported(feature: String)
    /// The compiled tables did not pass the runtime's own check.
    case refused(TokenizerError)

    /// What went wrong, in one line.
    public var cause: String {
        switch self {
        case .unsupportedPattern(let feature, let offset, let pattern):
            "pre-tokenizer pattern, offset \(offset): \(feature) is not supported (in \(pattern.debugDescription))"
        case .unsupported(let feature): "tokenizer: \(feature) is not supported"
        case .refused(let error): String(decoding: error.cause, as: UTF8.self)
        }
    }

    /// What to do about it, in one line.
    public var remedy: String {
        "Use a checkpoint whose tokenizer is made of the parts that formats/tokenizer.md lists."
    }

    /// Exit code of a command that ends with this error.
    public var exitCode: Int32 { 69 }
}

extension TokenizerLoweringError: CustomStringConvertible {
    public var description: String { cause }
}
