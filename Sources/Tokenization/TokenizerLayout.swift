/// Where things lie in a plan's tokenizer section (formats/tokenizer.md, "Layout").
public enum TokenizerLayout {
    public static let version: UInt32 = 2
    /// Stands where an id, a record or a key is absent.
    public static let none = UInt32.max
    /// Bytes of the fixed fields before the directory.
    public static let fixedBytes = 32
    /// Bytes of one directory entry: u64 offset, u64 element count.
    public static let entryBytes = 16
    public static let headerBytes = fixedBytes + Table.allCases.count * entryBytes
    /// Every table begins at a multiple of this.
    public static let alignment = 8

    /// Bits of the header's flags.
    public enum Flag {
        /// Text is brought into canonical composition before it is split.
        public static let composes: UInt32 = 1
        /// Merges have ranks of their own; otherwise a merge's rank is its result.
        public static let ranksMerges: UInt32 = 2
        public static let all: UInt32 = 3
    }

    public static let maximumTokens = 1 << 22
    public static let maximumStages = 16
    public static let maximumStates = 1 << 15
    /// Pages of 256 scalars that cover Unicode.
    public static let pages = 0x1100

    /// Bits of a token's flags.
    public enum TokenFlag {
        public static let special: UInt32 = 1
        public static let endOfGeneration: UInt32 = 2
        public static let all: UInt32 = 3
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
    public static let flaggedWords = 2
    public static let compositionWords = 3
    public static let normalizationWords = 2
    public static let addedWords = 2

    /// Numbers of a merge: left token, result, and the rank where merges have one.
    public static func mergeNumbers(flags: UInt32) -> Int { flags & Flag.ranksMerges == 0 ? 2 : 3 }

    /// What becomes of the matches of a stage.
    public enum Behavior: UInt32, Sendable, CaseIterable {
        case isolated = 0
        case removed = 1
        case mergedWithPrevious = 2
        case mergedWithNext = 3
        case contiguous = 4
    }

    /// The tables in the order in which they lie. Those of packed numbers come before `byteTokens`, which is never empty:
    /// so 4 bytes can be read wherever a number begins.
    public enum Table: Int, Sendable, CaseIterable {
        case tokenOffsets = 0
        case tokenBytes
        case flaggedTokens
        case wordBuckets
        case words
        case mergeBuckets
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
    }

    /// Bytes of one element of a table; numbers that grow with the vocabulary have as few as the largest possible needs.
    ///
    /// - Parameter count: the number of elements of a table.
    public static func elementBytes(
        _ table: Table, flags: UInt32, tokenCount: Int, count: (Table) -> UInt64
    ) -> Int {
        let merges = count(.merges) / UInt64(mergeNumbers(flags: flags))
        return switch table {
        case .tokenBytes, .classPages, .wordPages: 1
        case .classIndex, .transitions, .wordIndex, .normalizationIndex, .normalizationPages: 2
        case .tokenOffsets: packedBytes(largest: count(.tokenBytes))
        case .wordBuckets: packedBytes(largest: count(.words))
        case .words: packedBytes(largest: UInt64(tokenCount) - 1)
        case .mergeBuckets: packedBytes(largest: merges)
        case .merges: packedBytes(largest: max(UInt64(tokenCount), merges) - 1)
        default: 4
        }
    }

    /// Bytes of a packed number, 1 to 4.
    private static func packedBytes(largest: UInt64) -> Int {
        switch largest {
        case ..<(1 << 8): 1
        case ..<(1 << 16): 2
        case ..<(1 << 24): 3
        default: 4
        }
    }
}
