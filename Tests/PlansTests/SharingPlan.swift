import Plans

/// The small plan with two layers that have no attention weights of their own: they stand behind the first one and use its
/// weights, one with one head of values in f16, one with two in int8.
enum SharingPlan {
    static let values = BufferIndex(12)
    /// Where the instructions of the first of the two begin.
    static let first = 12
    /// Where the two attend.
    static let (receiver, otherReceiver) = (first + 2, first + 6)

    static func program() -> Program {
        var program = SmallPlan.program()
        let end = program.tensors.reduce(0) { max($0, $1.offset + ($1.byteCount ?? 0)) }
        program.tensors.append(
            Tensor(
                name: [UInt8]("value".utf8),
                layout: .matrix(
                    .integer(.int8Symmetric, group: .columns32), rows: SmallPlan.dimensions, columns: SmallPlan.hidden),
                offset: (end + 63) / 64 * 64))
        program.buffers.append(
            Buffer(
                name: [UInt8]("values".utf8), element: .float32, rows: .step, width: SmallPlan.dimensions,
                offset: program.arenaBytes))
        program.arenaBytes += program.maximumRows * SmallPlan.dimensions * 4
        program.states += [
            .values(heads: 1, dimensions: SmallPlan.dimensions, element: .float16),
            .values(heads: 2, dimensions: SmallPlan.dimensions, element: .int8),
        ]
        program.body.insert(
            contentsOf: [
                normalize, project,
                attendShared(),
                .multiply(
                    input: SmallPlan.attended, weight: SmallPlan.tensor("0.o"), bias: nil, output: SmallPlan.residual,
                    column: 0, accumulate: true),
                normalize,
                .multiply(
                    input: SmallPlan.quantized, weight: SmallPlan.tensor("2.down"), bias: nil, output: SmallPlan.normed,
                    column: 0, accumulate: false),
                attendShared(
                    projected: SmallPlan.normed, state: StateIndex(3), headMap: [1, 0], output: SmallPlan.attendedFloat),
                .multiply(
                    input: SmallPlan.attendedFloat, weight: SmallPlan.tensor("1.o"), bias: nil,
                    output: SmallPlan.residual, column: 0, accumulate: true),
            ], at: first)
        return program
    }

    static let normalize = Instruction.normalize(
        input: SmallPlan.residual, weight: nil, epsilon: 1e-5, output: SmallPlan.quantized)

    /// The values of the first of the two layers.
    static let project = Instruction.multiply(
        input: SmallPlan.quantized, weight: TensorIndex(18), bias: nil, output: values, column: 0, accumulate: false)

    /// Shared attention with the operands of the first of the two layers, but for those given.
    static func attendShared(
        projected: BufferIndex = values, state: StateIndex = StateIndex(2), donor: StateIndex = StateIndex(0),
        headMap: [Int] = [1, 1], output: BufferIndex = SmallPlan.attended
    ) -> Instruction {
        .attendShared(
            SharedAttention(projected: projected, state: state, donor: donor, headMap: headMap, output: output))
    }

    static let weightsBytes = LogicalWeights.pack(program().tensors).count

    /// The bytes of the whole plan file.
    static func bytes() throws -> [UInt8] { try SmallPlan.bytes(program: program()) }
}
