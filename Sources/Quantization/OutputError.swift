/// The error that quantization makes in a linear's outputs, over the tokens of the moments.
public struct OutputError: Sendable, Equatable {
    /// tr(E H E^T): the squared difference of the outputs, summed over tokens and rows.
    public let squared: Double
    /// tr(W H W^T): the squared outputs.
    public let reference: Double

    /// The share of the outputs' energy that is wrong; 0 where there are no outputs.
    public var relative: Double { reference > 0 ? squared / reference : 0 }

    /// Measures `quantized` against its weights, row after row. Throws `badShape` where sizes do not belong together and
    /// `notFinite` where a weight is infinity or NaN.
    public init(
        of quantized: QuantizedMatrix, weights: UnsafeBufferPointer<Float>, moments: InputMoments
    ) throws(QuantizationError) {
        let (rows, columns) = (quantized.rows, quantized.columns)
        guard moments.width == columns else { throw .badShape(.moments, expected: columns, found: moments.width) }
        let source = try MatrixRounding.start(of: weights, rows: rows, columns: columns)
        let kernel = try ProductKernel()
        let objective = OutputObjective(moments, damping: 0)
        let size = RowTiles.most * ProductKernel.tile
        // Sums of each piece, then of the pieces in order.
        var sums = [(squared: Double, reference: Double)?](repeating: nil, count: (rows + size - 1) / size)
        sums.withUnsafeMutableBufferPointer { sums in
            nonisolated(unsafe) let sums = sums
            ParallelPieces.perform(rows, by: size) { range in
                let piece = RowTiles(
                    rows: range.count, width: columns, grid: quantized.grid, groupSize: quantized.groupSize,
                    kernel: kernel)
                guard piece.load(source + range.lowerBound * columns, rows: range.count) else { return }
                // With scales of 0 the errors are the weights themselves.
                piece.updateErrors()
                let reference = objective.errors(piece).reduce(0, +)
                piece.take(quantized, rows: range)
                sums[range.lowerBound / size] = (objective.errors(piece).reduce(0, +), reference)
            }
        }
        var total = (squared: 0.0, reference: 0.0)
        for sum in sums {
            guard let sum else { throw .notFinite(.weights) }
            total = (total.squared + sum.squared, total.reference + sum.reference)
        }
        squared = max(total.squared, 0)
        reference = max(total.reference, 0)
    }
}
