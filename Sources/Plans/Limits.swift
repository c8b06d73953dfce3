/// Upper bounds on what a plan may ask for, checked before anything is allocated.
///
/// The standard values are far above any model of today; a caller that trusts its plans may raise them.
public struct Limits: Sendable, Equatable {
    /// Bytes of the whole file.
    public var fileBytes = 1 << 44
    /// Bytes of the tokenizer section.
    public var tokenizerBytes = 1 << 30
    /// Bytes of one cold section after inflation, and of a section that only a later version knows.
    public var coldBytes = 1 << 28
    public var tensors = 1 << 20
    public var buffers = 1 << 16
    public var states = 1 << 14
    /// Instructions of body and head together.
    public var instructions = 1 << 18
    /// Entries of all head maps together.
    public var headMapEntries = 1 << 20
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

    /// Places of a group of masks at the most: fixed by the format.
    public static let maskPlaces = 16

    /// Bytes that the program section can need within these limits.
    var programBytes: Int {
        Limits.sum(
            ProgramDecoder.programHeaderBytes,
            Limits.sum(
                Limits.product(buffers, Limits.sum(ProgramDecoder.bufferBytes, nameBytes)),
                Limits.sum(
                    Limits.product(states, ProgramDecoder.stateBytes),
                    Limits.sum(
                        Limits.product(instructions, Instruction.recordBytes),
                        Limits.product(headMapEntries, ProgramDecoder.headMapEntryBytes)))))
    }

    /// Bytes that the tensors section can need within these limits.
    var tensorsBytes: Int {
        Limits.sum(
            ProgramDecoder.tensorsHeaderBytes,
            Limits.product(tensors, Limits.sum(ProgramDecoder.tensorBytes, nameBytes)))
    }

    /// Limits may be raised to anything: sums and products stop at the largest number.
    private static func sum(_ first: Int, _ second: Int) -> Int {
        let (sum, overflow) = first.addingReportingOverflow(second)
        return overflow ? .max : sum
    }

    private static func product(_ first: Int, _ second: Int) -> Int {
        let (product, overflow) = first.multipliedReportingOverflow(by: second)
        return overflow ? .max : product
    }
}
