import Plans

/// The small plan with masks of two places, for which the first layer's projection is changed.
enum MaskPlan {
    static let low = BufferIndex(12)
    /// Where the masks' table and the two products of the change stand.
    static let (table, first, second) = (2, 7, 8)
    static let tables = (embedding: TensorIndex(18), down: TensorIndex(19), up: TensorIndex(20))

    static func program() -> Program {
        var program = SmallPlan.program()
        let (hidden, rank) = (SmallPlan.hidden, 4)
        func add(_ name: String, _ packing: Packing, rows: Int, columns: Int) {
            let end = program.tensors.reduce(0) { max($0, $1.offset + ($1.byteCount ?? 0)) }
            program.tensors.append(
                Tensor(
                    name: [UInt8](name.utf8), layout: .matrix(packing, rows: rows, columns: columns),
                    offset: (end + 63) / 64 * 64))
        }
        add("masks", .float16, rows: 2, columns: hidden)
        add("masks.down", .integer(.int8Symmetric, group: .columns32), rows: rank, columns: hidden)
        add("masks.up", .float16, rows: 128, columns: rank)
        program.buffers.append(
            Buffer(
                name: [UInt8]("low".utf8), element: .float32, rows: .step, width: rank, offset: program.arenaBytes))
        program.arenaBytes += 64 * program.maximumRows
        program.body.insert(contentsOf: [down(), up()], at: 6)
        program.body.insert(
            .embed(table: tables.embedding, first: SmallPlan.vocabulary, output: SmallPlan.residual), at: table)
        return program
    }

    static func down(
        input: BufferIndex = SmallPlan.quantized, weight: TensorIndex = tables.down, output: BufferIndex = low,
        accumulate: Bool = false
    ) -> Instruction { .multiplyMasks(input: input, weight: weight, output: output, accumulate: accumulate) }

    static func up(
        input: BufferIndex = low, weight: TensorIndex = tables.up, output: BufferIndex = SmallPlan.projected,
        accumulate: Bool = true
    ) -> Instruction { .multiplyMasks(input: input, weight: weight, output: output, accumulate: accumulate) }

    static let weightsBytes = LogicalWeights.pack(program().tensors).count

    /// The bytes of the whole plan file.
    static func bytes() throws -> [UInt8] { try SmallPlan.bytes(program: program()) }
}
