/// Why a checkpoint cannot be read: where it is wrong, what was expected and what was found.
public struct CheckpointError: Error, Sendable, Equatable {
    /// The class of the failure; it decides the exit code.
    public enum Kind: Sendable, Equatable {
        /// The file breaks its format.
        case damaged
        /// A file or a tensor that must be there is not, or cannot be opened.
        case missing
        /// The file is in order, but uses something that is not read.
        case unsupported
        /// The tokenizer is in order, but has parts that are not read.
        case unsupportedTokenizer
        /// The file was changed while it was mapped.
        case changed
    }

    /// The part of the file that is meant.
    public enum Place: Sendable, Equatable {
        case file
        /// Bytes from the start of the file.
        case offset(Int)
        case tensor(String)
        /// A metadata key or a JSON path.
        case key(String)
    }

    public let kind: Kind
    public let file: String
    public let place: Place
    public let expected: String
    public let found: String

    public init(_ kind: Kind, file: String, at place: Place = .file, expected: String, found: String) {
        self.kind = kind
        self.file = file
        self.place = place
        self.expected = expected
        self.found = found
    }

    /// One line that says what is wrong and where.
    public var cause: String {
        let location =
            switch place {
            case .file: ""
            case .offset(let offset): " at byte \(offset)"
            case .tensor(let name): ", tensor '\(oneLine(name))'"
            case .key(let key): ", key '\(oneLine(key))'"
            }
        return "\(oneLine(file))\(location): expected \(oneLine(expected)), found \(oneLine(found))"
    }

    /// One line that says what can be done.
    public var remedy: String {
        switch kind {
        case .damaged: "The file is damaged or was cut off: download or convert it again."
        case .missing: "Check the path and its permissions, and that every file of the checkpoint was downloaded."
        case .unsupported:
            "Take a checkpoint in safetensors with F32, F16 or BF16 weights, or one GGUF file of version 2 or 3 with F32, "
                + "F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1 or Q8_0 tensors."
        case .unsupportedTokenizer:
            "Take a checkpoint with a byte-level BPE tokenizer made of the parts that formats/tokenizer.md lists."
        case .changed: "Leave the checkpoint alone while it is read, and start again."
        }
    }

    /// The exit code of a command that fails with this error.
    public var exitCode: Int32 {
        switch kind {
        case .damaged: 65
        case .missing: 66
        case .unsupported, .unsupportedTokenizer: 69
        case .changed: 1
        }
    }
}

/// Text from a file made safe to print on one line: control and formatting characters escaped, cut after `limit` of them.
public func oneLine(_ text: String, limit: Int = 200) -> String {
    var result = ""
    var count = 0
    for scalar in text.unicodeScalars {
        if count == limit {
            result += "..."
            break
        }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator:
            result += "\\u{" + String(scalar.value, radix: 16) + "}"
        default: result.unicodeScalars.append(scalar)
        }
        count += 1
    }
    return result
}
