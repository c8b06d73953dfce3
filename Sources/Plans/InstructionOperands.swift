/// What an instruction does to buffers: for the verifier's order and lifetimes, and the compiler's memory plan.
public struct BufferUses: Sendable, Equatable {
    /// Buffers that are only read.
    public var reads: [BufferIndex]
    /// A buffer that is read and changed in place: its former contents matter.
    public var updates: BufferIndex?
    /// A buffer whose former contents do not matter.
    public var writes: BufferIndex?
}

extension Instruction {
    /// The buffers that this instruction touches. All threads run it at once, so what it writes may not share bytes
    /// with anything else that it touches.
    public var bufferUses: BufferUses {
        switch self {
        case .embed(_, let first, let output):
            // Behind the first table, some rows are already written.
            first > 0 ? BufferUses(reads: [], updates: output) : BufferUses(reads: [], writes: output)
        case .rotaryTable(_, _, let output):
            BufferUses(reads: [], writes: output)
        case .normalize(let input, _, _, let output), .quantize(let input, let output), .gate(let input, let output),
            .selectRows(let input, let output):
            BufferUses(reads: [input], writes: output)
        case .multiply(let input, _, _, let output, let column, let accumulate):
            // Behind the first column, a row is already partly written.
            accumulate || column > 0
                ? BufferUses(reads: [input], updates: output) : BufferUses(reads: [input], writes: output)
        case .multiplyMasks(let input, _, let output, let accumulate):
            accumulate
                ? BufferUses(reads: [input], updates: output) : BufferUses(reads: [input], writes: output)
        case .attend(let attention):
            BufferUses(reads: [attention.projected, attention.rotary], writes: attention.output)
        case .attendGrouped(let attention):
            BufferUses(reads: [attention.projected, attention.rotary], writes: attention.output)
        case .attendShared(let attention):
            BufferUses(reads: [attention.projected], writes: attention.output)
        }
    }
}
