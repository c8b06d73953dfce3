import Quantization

/// The share of a matrix's outputs that quantization changes.
enum RelativeError {
    /// Weighted by the inputs' moments, or all inputs alike.
    static func of(
        _ quantized: QuantizedMatrix, _ matrix: DenseMatrix, moments: InputMoments?
    ) throws(CompileError) -> Double {
        if let moments { return try outputs(quantized, matrix, moments).relative }
        let energies = rows(quantized, matrix)
        return energies.whole > 0 ? energies.wrong / energies.whole : 0
    }

    /// The energy of what is wrong: in the rows themselves, and in the outputs over the moments' tokens.
    static func energies(
        _ quantized: QuantizedMatrix, _ matrix: DenseMatrix, moments: InputMoments
    ) throws(CompileError) -> (rows: Double, outputs: Double) {
        (rows(quantized, matrix).wrong, try outputs(quantized, matrix, moments).squared)
    }

    private static func outputs(
        _ quantized: QuantizedMatrix, _ matrix: DenseMatrix, _ moments: InputMoments
    ) throws(CompileError) -> OutputError {
        try attempt(CompileError.quantization) { () throws(QuantizationError) in
            try matrix.withValues { values throws(QuantizationError) in
                try OutputError(of: quantized, weights: values, moments: moments)
            }
        }
    }

    private static func rows(_ quantized: QuantizedMatrix, _ matrix: DenseMatrix) -> (wrong: Double, whole: Double) {
        var (wrong, whole) = (0.0, 0.0)
        matrix.withValues { values in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: matrix.columns) { row in
                for index in 0..<matrix.rows {
                    quantized.values(row: index, into: row)
                    for column in 0..<matrix.columns {
                        let value = values[index * matrix.columns + column]
                        wrong += Double(value - row[column]) * Double(value - row[column])
                        whole += Double(value) * Double(value)
                    }
                }
            }
        }
        return (wrong, whole)
    }
}
