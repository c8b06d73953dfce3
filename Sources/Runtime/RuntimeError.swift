import Plans

/// Why a step could not run; nothing of the session has changed when one is thrown.
public enum RuntimeError: Error, Equatable {
    /// This processor does not have the instruction set that was asked for.
    case instructionSetMissing(InstructionSet)
    /// The system refused this many bytes.
    case outOfMemory(bytes: Int)
    /// The system refused another thread.
    case noThread
    /// A step had no rows, or more than the plan allows.
    case stepSize(rows: Int, maximum: Int)
    /// A row named a token that the vocabulary does not have, or an embedding that was not set.
    case unknownInput(row: Int)
    /// A mask stands before a row that is none.
    case masksNotLast(row: Int)
    /// A step that skipped a part of the model was to be committed.
    case skippedStep
    /// A row's parent is not an earlier row of the same step.
    case badParent(row: Int)
    /// The context is full: more positions were needed than the session holds.
    case contextFull(capacity: Int)
    /// Logits, or a commit, named a row that the last step does not have, or a path that does not follow parents.
    case unknownRow(Int)
    /// An embedding had another width than the model's.
    case embeddingWidth(found: Int, expected: Int)
    /// A cache of this element cannot hold heads of so many dimensions.
    case cacheElement(CacheElement, dimensions: Int)
    /// A sequence cannot go back to this length: a window has left what it would go on from behind.
    case forgotten(length: Int)

    /// One line of cause.
    public var cause: StaticString {
        switch self {
        case .instructionSetMissing: "this processor does not have the instruction set asked for"
        case .outOfMemory: "the system has no memory left for the session"
        case .noThread: "the system allows no further thread"
        case .stepSize: "a step has no rows, or more than the plan's limit"
        case .unknownInput: "a token id lies outside the vocabulary"
        case .masksNotLast: "a mask stands before a row that is none"
        case .skippedStep: "a step that skipped a part of the model is not committed"
        case .badParent: "a row's parent is not an earlier row of its step"
        case .contextFull: "the context is full"
        case .unknownRow: "a row was named that the last step does not have"
        case .cacheElement:
            "an int8 key-value cache needs heads whose dimensions are a multiple of 32; this model's are not"
        case .forgotten: "a layer no longer remembers what the sequence would go on from"
        case .embeddingWidth: "an embedding's width is not the model's"
        }
    }

    /// One line of remedy.
    public var remedy: StaticString {
        switch self {
        case .instructionSetMissing: "leave --isa out to use the best one of this machine"
        case .outOfMemory: "choose a smaller context with -c"
        case .noThread: "choose fewer threads with -t"
        case .cacheElement: "choose f16 or f32 with --kv-cache"
        case .contextFull: "choose a larger context with -c, or a shorter prompt"
        case .stepSize, .unknownInput, .masksNotLast, .skippedStep, .badParent, .unknownRow, .embeddingWidth,
            .forgotten:
            "this is a mistake of the calling program"
        }
    }

    /// The process exit code that stands for this error.
    public var exitCode: Int32 {
        switch self {
        case .instructionSetMissing, .cacheElement: 69
        case .outOfMemory, .noThread, .stepSize, .unknownInput, .masksNotLast, .skippedStep, .badParent, .contextFull,
            .unknownRow,
            .embeddingWidth, .forgotten:
            1
        }
    }
}
