/// Why a tokenizer section was refused.
public enum TokenizerError: Error, Sendable, Equatable {
    /// What is wrong with an element of a table.
    public enum Fault: Sendable, Equatable {
        /// The table does not begin where the one before it ends.
        case misplaced
        /// The table goes past the end of the section.
        case truncated
        /// The table has not the number of elements that the others call for.
        case count
        /// An id, offset, state, class or node lies outside its table.
        case outOfRange
        /// Elements are not in the order that the format calls for.
        case unordered
        /// Bits are set that have no meaning.
        case unknownBits
        /// A pattern would match nothing at all, again and again.
        case emptyMatch
    }

    /// The section's memory does not begin at a multiple of 8.
    case misaligned
    /// The section is shorter than its header, or not as long as it says.
    case length(expected: UInt64, found: Int)
    case unsupportedVersion(UInt32)
    case unsupportedFlags(UInt32)
    /// `position` is the index of the element in its table.
    case table(TokenizerLayout.Table, position: Int, Fault)

    /// What went wrong, in one line of UTF-8.
    public var cause: [UInt8] {
        var line = Line("tokenizer section: ")
        switch self {
        case .misaligned: line.add("does not begin at a multiple of 8")
        case .length(let expected, let found):
            line.add("expected ")
            line.add(expected)
            line.add(" bytes, found ")
            line.add(UInt64(found))
        case .unsupportedVersion(let version):
            line.add("version ")
            line.add(UInt64(version))
            line.add(" is not supported")
        case .unsupportedFlags(let flags):
            line.add("feature bits ")
            line.add(UInt64(flags))
            line.add(" are not supported")
        case .table(let table, let position, let fault):
            line.add("table ")
            line.add(UInt64(table.rawValue))
            line.add(", element ")
            line.add(UInt64(position))
            line.add(": ")
            line.add(fault.text)
        }
        return line.bytes
    }

    /// What to do about it, in one line.
    public var remedy: StaticString {
        switch self {
        case .unsupportedVersion, .unsupportedFlags: "Compile the checkpoint again with this version."
        default: "The plan is damaged; compile the checkpoint again."
        }
    }

    /// Exit code of a command that ends with this error.
    public var exitCode: Int32 {
        switch self {
        case .unsupportedVersion, .unsupportedFlags: 69
        default: 65
        }
    }
}

extension TokenizerError.Fault {
    var text: StaticString {
        switch self {
        case .misplaced: "does not begin where the table before it ends"
        case .truncated: "goes past the end of the section"
        case .count: "wrong number of elements"
        case .outOfRange: "refers to something that does not exist"
        case .unordered: "out of order"
        case .unknownBits: "bits without meaning are set"
        case .emptyMatch: "a pattern matches the empty text"
        }
    }
}

/// Builds one line of text without `String`.
private struct Line {
    private(set) var bytes: [UInt8] = []

    init(_ text: StaticString) { add(text) }

    mutating func add(_ text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    mutating func add(_ number: UInt64) {
        var digits: [UInt8] = []
        var rest = number
        repeat {
            digits.append(UInt8(0x30 + rest % 10))
            rest /= 10
        } while rest > 0
        bytes.append(contentsOf: digits.reversed())
    }
}
