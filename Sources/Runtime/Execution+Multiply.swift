import Kernels
import Plans

extension Execution {
    /// Threads share the outputs in whole tiles, for all of `rows`.
    func multiply(
        input: BufferIndex, weight: TensorIndex, bias: TensorIndex?, output: BufferIndex, column: Int,
        accumulate: Bool, rows: Range<Int>
    ) {
        guard let matrix = engine.matrix(weight) else { return }
        var product = lathe_product()
        product.weights = matrix.bytes
        product.outputs = matrix.rows
        product.columns = matrix.columns
        product.group = matrix.packing.groupColumns
        product.input = UnsafePointer(bytes(input, row: rows.lowerBound))
        product.input_stride = engine.buffers[input.value].stride
        product.rows = rows.count
        product.output = floats(output, row: rows.lowerBound) + column
        product.output_stride = engine.buffers[output.value].stride / 4
        product.bias = engine.vector(bias)
        product.accumulate = accumulate
        let kernel = engine.product(of: matrix.packing)
        let tiles = (matrix.rows + Packing.tileRows - 1) / Packing.tileRows
        // Kernels take many rows through two tiles at once.
        let tilesInUnit = product.rows <= Execution.rowsThatStream ? 1 : 2
        let units = (tiles + tilesInUnit - 1) / tilesInUnit
        engine.pool.forEachRange(of: units, isCoarse: true, thread: thread) { units in
            product.tile_begin = units.lowerBound * tilesInUnit
            product.tile_end = min(tiles, units.upperBound * tilesInUnit)
            kernel(&product)
            if let search = session.search, output == engine.program.logits { offer(product, at: column, to: search) }
        }
    }

    /// Shows the logits that a product has just written to a search for the most likely tokens.
    private func offer(_ product: lathe_product, at column: Int, to search: CandidateSearch) {
        let first = product.tile_begin * Packing.tileRows
        let count = min(product.tile_end * Packing.tileRows, product.outputs) - first
        for row in 0..<product.rows {
            let logits = UnsafeBufferPointer(
                start: UnsafePointer(product.output + row * product.output_stride + first), count: count)
            search.offer(logits, from: column + first, row: row, thread: thread)
        }
    }

    /// Rows up to which a product waits for its weights to come from memory rather than for its sums.
    private static let rowsThatStream = 8
}
