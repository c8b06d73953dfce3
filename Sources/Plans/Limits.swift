/// Upper bounds on what a plan may ask for, checked before anything is allocated.
///
/// The standard values are far above any model of today; a caller that trusts its plans may raise them.
public struct Limits: Sendable, Equatable {
    /// Bytes of the whole file.
    public var fileBytes = 1 << 44
    /// Bytes of the tokenizer section.
    public var tokenizerBytes = 1 << 30
    /// Bytes of one cold section after inflation.
    public var coldBytes = 1 << 28
    public var tensors = 1 << 20
    public var buffers = 1 << 16
    public var states = 1 << 14
    /// Instructions of body and head together.
    public var instructions = 1 << 18
    /// Bytes of one name.
    public var nameBytes = 1024
    /// Values in one row of a buffer, rows and columns of a matrix, entries of the vocabulary.
    public var width = 1 << 24
    /// Positions of a sequence.
    public var contextLength = 1 << 24
    public var arenaBytes = 1 << 36

    public init() {}

    public static let standard = Limits()

    /// Rows of one step at the most: fixed by the format.
    public static let maximumRows = 4096
}
