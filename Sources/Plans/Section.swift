/// What a section of a plan holds (formats/plan.md, "Sections"); sections lie in the file in this order.
public enum SectionKind: UInt32, Sendable, Equatable, CaseIterable {
    /// Packed tensors, used in place.
    case weights = 1
    /// Buffers, states, instructions and limits.
    case program = 2
    /// Where each tensor lies in the weights, and its name.
    case tensors = 3
    /// Compiled tokenizer tables, used in place (formats/tokenizer.md).
    case tokenizer = 4
    /// The chat template, deflated.
    case chatTemplate = 5
    /// JSON about how the plan was made, deflated; the runtime never needs it.
    case facts = 6
    /// Instructions that drafts can do without.
    case skipped = 7

    /// Where a section of this kind may begin.
    var alignment: Int { self == .weights ? 4096 : 64 }

    /// Whether the section is stored as a zlib stream.
    var isDeflated: Bool {
        switch self {
        case .weights, .program, .tensors, .tokenizer, .skipped: false
        case .chatTemplate, .facts: true
        }
    }

    /// The flags of a section of this kind.
    var flags: Section.Flags {
        if isDeflated { [.deflated] } else { self == .skipped ? [.ignorable] : [] }
    }

    var isRequired: Bool {
        switch self {
        case .weights, .program, .tensors: true
        case .tokenizer, .chatTemplate, .facts, .skipped: false
        }
    }
}

/// One entry of the section table.
public struct Section: Sendable, Equatable {
    /// A `SectionKind`, or a number that only a later version knows.
    public var kind: UInt32
    public var flags: Flags
    /// Bytes from the start of the file.
    public var offset: Int
    /// Bytes in the file.
    public var storedSize: Int
    /// Bytes after inflation.
    public var rawSize: Int
    /// CRC-32 of the stored bytes.
    public var checksum: UInt32

    public struct Flags: OptionSet, Sendable, Equatable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// The stored bytes are a zlib stream.
        public static let deflated = Flags(rawValue: 1)
        /// A reader that does not know the kind may pass over the section.
        public static let ignorable = Flags(rawValue: 2)
    }

    static let recordBytes = 40
    /// The header and a full table end before the weights begin.
    static let maximumCount = 64

    /// Stable name of a section kind, for people.
    public static func name(ofKind kind: UInt32) -> StaticString {
        switch SectionKind(rawValue: kind) {
        case .weights: "weights"
        case .program: "program"
        case .tensors: "tensors"
        case .tokenizer: "tokenizer"
        case .chatTemplate: "chat template"
        case .facts: "facts"
        case .skipped: "skipped"
        case nil: "unknown"
        }
    }
}
