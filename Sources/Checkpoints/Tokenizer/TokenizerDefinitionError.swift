/// Why a checkpoint's tokenizer could not be read.
public enum TokenizerDefinitionError: Error, Sendable, Equatable {
    /// The file asks for something that this compiler does not do.
    case unsupported(feature: String, location: String)
    /// The file contradicts its format or itself.
    case malformed(location: String, expected: String, found: String)

    /// What went wrong, in one line.
    public var cause: String {
        switch self {
        case .unsupported(let feature, let location): "\(location): \(feature) is not supported"
        case .malformed(let location, let expected, let found): "\(location): expected \(expected), found \(found)"
        }
    }

    /// What to do about it, in one line.
    public var remedy: String {
        switch self {
        case .unsupported:
            "Use a checkpoint with a byte-level BPE tokenizer made of the parts that formats/tokenizer.md lists."
        case .malformed: "Fetch the checkpoint's tokenizer files again; they are damaged or do not belong together."
        }
    }

    /// Exit code of a command that ends with this error.
    public var exitCode: Int32 {
        switch self {
        case .unsupported: 69
        case .malformed: 65
        }
    }
}

extension TokenizerDefinitionError: CustomStringConvertible {
    public var description: String { cause }
}
