/// What a checkpoint says about its byte-level BPE tokenizer, read from its own files (formats/tokenizer.md, "Sources").
///
/// A value of this type is consistent: ids of merges, added tokens and special roles lie inside `vocabulary`.
public struct TokenizerDefinition: Sendable, Equatable {
    /// One entry of the vocabulary.
    public struct Token: Sendable, Equatable {
        /// The bytes that the token stands for in text.
        public var bytes: [UInt8]
        /// Whether the token belongs to the BPE model, written in the byte alphabet; false for tokens that can only be
        /// reached as added tokens.
        public var isByteLevel: Bool

        public init(bytes: [UInt8], isByteLevel: Bool) {
            self.bytes = bytes
            self.isByteLevel = isByteLevel
        }
    }

    /// Joins two neighbouring tokens into one.
    public struct Merge: Sendable, Equatable {
        public var left: UInt32
        public var right: UInt32
        public var result: UInt32

        public init(left: UInt32, right: UInt32, result: UInt32) {
            self.left = left
            self.right = right
            self.result = result
        }
    }

    /// A change to the text before it is split.
    public enum Normalizer: Sendable, Equatable {
        /// Canonical composition.
        case nfc
    }

    /// What a `split` step looks for.
    public enum Pattern: Sendable, Equatable {
        case regularExpression(String)
        case literal(String)
    }

    /// What becomes of the parts that a `split` step found.
    public enum SplitBehavior: Sendable, Equatable {
        case isolated
        case removed
        case mergedWithPrevious
        case mergedWithNext
        case contiguous
    }

    /// One step that cuts text into pieces; each step cuts the pieces of the one before.
    public enum PreTokenizer: Sendable, Equatable {
        case split(Pattern, behavior: SplitBehavior, isInverted: Bool)
        /// Cuts out numeric characters, one by one or in runs.
        case digits(individual: Bool)
        /// Writes pieces in the byte alphabet, after splitting with GPT-2's pattern where `usesPattern`.
        case byteLevel(addsPrefixSpace: Bool, usesPattern: Bool)
    }

    /// A token that is found in the text before anything else happens to it.
    public struct AddedToken: Sendable, Equatable {
        public var id: UInt32
        /// UTF-8 text, not empty.
        public var content: [UInt8]
        public var isSpecial: Bool
        /// Takes the whitespace before it along.
        public var stripsLeft: Bool
        /// Takes the whitespace after it along.
        public var stripsRight: Bool
        /// Found only where no word character touches it.
        public var isSingleWord: Bool
        /// Looked for after normalization instead of before.
        public var isNormalized: Bool

        public init(
            id: UInt32, content: [UInt8], isSpecial: Bool, stripsLeft: Bool = false, stripsRight: Bool = false,
            isSingleWord: Bool = false, isNormalized: Bool = false
        ) {
            self.id = id
            self.content = content
            self.isSpecial = isSpecial
            self.stripsLeft = stripsLeft
            self.stripsRight = stripsRight
            self.isSingleWord = isSingleWord
            self.isNormalized = isNormalized
        }
    }

    /// Tokens by id; nil for an id that no token has.
    public var vocabulary: [Token?]
    /// Merges in rank order.
    public var merges: [Merge]
    /// Whether a piece that is a token of the model is that token, whatever the merges would make of it.
    public var ignoresMerges: Bool
    public var normalizers: [Normalizer]
    public var preTokenizers: [PreTokenizer]
    public var addedTokens: [AddedToken]
    /// Ids put before a single sequence when special tokens are asked for.
    public var prefix: [UInt32]
    /// Ids put behind a single sequence when special tokens are asked for.
    public var suffix: [UInt32]
    public var beginningOfSequence: UInt32?
    /// Ids that end a generation, ascending.
    public var endOfGeneration: [UInt32]
    /// The model's token for bytes that the vocabulary lacks; where nil, such bytes vanish.
    public var unknown: UInt32?
    /// Source text of the chat template.
    public var chatTemplate: String?

    public init(
        vocabulary: [Token?], merges: [Merge], ignoresMerges: Bool, normalizers: [Normalizer],
        preTokenizers: [PreTokenizer], addedTokens: [AddedToken], prefix: [UInt32], suffix: [UInt32],
        beginningOfSequence: UInt32?, endOfGeneration: [UInt32], unknown: UInt32?, chatTemplate: String?
    ) {
        self.vocabulary = vocabulary
        self.merges = merges
        self.ignoresMerges = ignoresMerges
        self.normalizers = normalizers
        self.preTokenizers = preTokenizers
        self.addedTokens = addedTokens
        self.prefix = prefix
        self.suffix = suffix
        self.beginningOfSequence = beginningOfSequence
        self.endOfGeneration = endOfGeneration
        self.unknown = unknown
        self.chatTemplate = chatTemplate
    }

    /// Whether `beginningOfSequence` is put before a sequence by default.
    public var addsBeginningOfSequence: Bool {
        beginningOfSequence.map { prefix.contains($0) } ?? false
    }

    /// Ids that one vocabulary may have at the most.
    public static let maximumVocabularySize = 1 << 22
}
