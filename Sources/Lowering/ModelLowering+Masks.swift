import Models
import Plans

extension ModelLowering {
    /// Adds what matrices that read one input and lie beside each other in an output have for rows of masks: the factors A below
    /// each other, one product, and the factors B as blocks of one matrix, another.
    func addMaskChanges(
        of matrices: [Linear], input: BufferIndex, element: Buffer.Element, output: BufferIndex, name: String,
        into builder: inout ProgramBuilder
    ) throws(LoweringError) {
        let changes = matrices.compactMap(\.maskChange)
        guard !changes.isEmpty else { return }
        let rank = changes.reduce(0) { $0 + $1.down.rows }
        let low = builder.buffer("\(name).masks", width: rank)
        let down = try builder.matrix(
            "\(name).masks.down", element == .float32 ? .float16 : .integer(.int8Symmetric, group: .columns32),
            stack: changes.map(\.down))
        builder.append(.multiplyMasks(input: input, weight: down, output: low, accumulate: false))
        let up = try builder.matrix(
            "\(name).masks.up", .float16, stack: [Weight(blocks(of: matrices, rank: rank, name: name))])
        builder.append(.multiplyMasks(input: low, weight: up, output: output, accumulate: true))
    }

    /// The factors B along the diagonal of one matrix.
    private func blocks(of matrices: [Linear], rank: Int, name: String) -> FittedMatrix {
        let rows = matrices.reduce(0) { $0 + $1.weight.rows }
        var values = [Float](repeating: 0, count: rows * rank)
        var (row, column) = (0, 0)
        for matrix in matrices {
            if let up = matrix.maskChange?.up {
                let block = up.values()
                for index in 0..<up.rows {
                    let start = (row + index) * rank + column
                    values.replaceSubrange(
                        start..<start + up.columns, with: block[index * up.columns..<(index + 1) * up.columns])
                }
                column += up.columns
            }
            row += matrix.weight.rows
        }
        return FittedMatrix(name: "\(name).masks.up", rows: rows, columns: rank, values: values)
    }
}
