/// Where things lie in a plan's tokenizer section (formats/tokenizer.md, "Layout").
public enum TokenizerLayout {
    public static let version: UInt32 = 1
    /// Stands where an id, a record or a key is absent.
    public static let none = UInt32.max
    /// Bytes of the fixed fields before the directory.
    public static let fixedBytes = 32
    /// Bytes of one directory entry: u64 offset, u64 element count.
    public static let entryBytes = 16
    public static let headerBytes = fixedBytes + Table.allCases.count * entryBytes
    /// Every table begins at a multiple of this.
    public static let alignment = 8
    /// Header flag: text is brought into canonical composition before it is split.
    public static let composes: UInt32 = 1

    public static let maximumTokens = 1 << 22
    public static let maximumStages = 16
    public static let maximumStates = 1 << 15
    /// Pages of 256 scalars that cover Unicode.
    public static let pages = 0x1100

    /// Bits of a token's flags.
    public enum TokenFlag {
        public static let special: UInt8 = 1
        public static let endOfGeneration: UInt8 = 2
        public static let added: UInt8 = 4
        public static let present: UInt8 = 8
        public static let all: UInt8 = 15
    }

    /// Bits of an added token's flags.
    public enum AddedFlag {
        public static let special: UInt32 = 1
        public static let stripsLeft: UInt32 = 2
        public static let stripsRight: UInt32 = 4
        public static let singleWord: UInt32 = 8
        public static let all: UInt32 = 15
    }

    /// Bits of a normalization record's first word.
    public enum NormalizationFlag {
        /// The scalar can change under composition, or be part of a change.
        public static let active: UInt32 = 1 << 16
    }

    /// The bit of a transition that says that a match ends before the symbol.
    public static let matched: UInt16 = 0x8000
    /// Words of a stage record.
    public static let stageWords = 8
    public static let trieNodeWords = 3
    public static let trieEdgeWords = 2
    public static let mergeWords = 4
    public static let wordWords = 2
    public static let compositionWords = 3
    public static let normalizationWords = 2
    public static let addedWords = 2

    /// What becomes of the matches of a stage.
    public enum Behavior: UInt32, Sendable, CaseIterable {
        case isolated = 0
        case removed = 1
        case mergedWithPrevious = 2
        case mergedWithNext = 3
        case contiguous = 4
    }

    /// The tables in the order in which they lie.
    public enum Table: Int, Sendable, CaseIterable {
        case tokenOffsets = 0
        case tokenBytes
        case tokenFlags
        case words
        case merges
        case byteTokens
        case prefix
        case suffix
        case stages
        case classIndex
        case classPages
        case transitions
        case addedTokens
        case rawNodes
        case rawEdges
        case normalizedNodes
        case normalizedEdges
        case wordIndex
        case wordPages
        case normalizationIndex
        case normalizationPages
        case normalizationRecords
        case mappings
        case compositions

        /// Bytes of one element.
        public var elementBytes: Int {
            switch self {
            case .tokenBytes, .tokenFlags, .classPages, .wordPages: 1
            case .classIndex, .transitions, .wordIndex, .normalizationIndex, .normalizationPages: 2
            default: 4
            }
        }
    }
}

/// Hash functions of the section's tables (formats/tokenizer.md, "Hash tables").
public enum TokenizerHash {
    private static let factor: UInt64 = 0x9E37_79B9_7F4A_7C15

    /// Hash of two 32-bit keys.
    @inline(__always)
    public static func pair(_ first: UInt32, _ second: UInt32) -> UInt64 {
        let mixed = (UInt64(first) << 32 | UInt64(second)) &* factor
        return mixed ^ (mixed >> 32)
    }

    /// Hash of a byte string.
    @inline(__always)
    public static func bytes(_ start: UnsafePointer<UInt8>, count: Int) -> UInt64 {
        let raw = UnsafeRawPointer(start)
        var hash = UInt64(truncatingIfNeeded: count) &* factor
        var offset = 0
        while offset &+ 8 <= count {
            let word = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            hash = (hash ^ word) &* factor
            hash ^= hash >> 32
            offset &+= 8
        }
        var last: UInt64 = 0
        var shift: UInt64 = 0
        while offset < count {
            last |= UInt64(start[offset]) << shift
            shift &+= 8
            offset &+= 1
        }
        hash = (hash ^ last) &* factor
        return hash ^ (hash >> 32)
    }
}
