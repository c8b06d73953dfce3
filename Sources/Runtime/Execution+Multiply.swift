import Kernels
import Plans

extension Execution {
    /// Every thread computes its share of the outputs, in whole tiles, for all rows.
    func multiply(
        input: BufferIndex, weight: TensorIndex, bias: TensorIndex?, output: BufferIndex, column: Int,
        accumulate: Bool
    ) {
        guard let (packing, outputs, columns, weights) = engine.matrix(weight) else { return }
        let tiles = share(of: (outputs + Packing.tileRows - 1) / Packing.tileRows)
        guard !tiles.isEmpty else { return }
        var product = lathe_product()
        product.weights = weights
        product.outputs = outputs
        product.columns = columns
        product.input = UnsafePointer(bytes(input, row: 0))
        product.input_stride = engine.buffers[input.value].stride
        product.rows = rowCount(input)
        product.output = floats(output, row: 0) + column
        product.output_stride = engine.buffers[output.value].stride / 4
        product.bias = engine.vector(bias)
        product.accumulate = accumulate
        product.tile_begin = tiles.lowerBound
        product.tile_end = tiles.upperBound
        engine.products[Int(packing.rawValue)](&product)
    }
}
