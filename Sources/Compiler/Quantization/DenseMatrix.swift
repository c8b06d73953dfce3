import Dispatch
import Models
import Quantization

/// Stacked weights as floats, row after row.
final class DenseMatrix: @unchecked Sendable {
    let rows: Int
    let columns: Int
    /// rows x columns. Written by `init` alone.
    private let memory: UnsafeMutableBufferPointer<Float>

    private init(rows: Int, columns: Int) {
        self.rows = rows
        self.columns = columns
        memory = .allocate(capacity: rows * columns)
    }

    /// Reads all rows, and gives the checkpoint's memory back.
    convenience init(_ stack: [Weight]) {
        self.init(rows: stack.reduce(0) { $0 + $1.rows }, columns: stack.first?.columns ?? 0)
        var first = 0
        for weight in stack {
            let start = first
            // Enough rows in a piece to outweigh the handing out.
            let size = max(1, (1 << 16) / columns)
            DispatchQueue.concurrentPerform(iterations: (weight.rows + size - 1) / size) { piece in
                for row in piece * size..<min((piece + 1) * size, weight.rows) {
                    self.read(weight, row, to: start + row)
                }
            }
            weight.release()
            first += weight.rows
        }
    }

    /// The rows named, of `source`.
    convenience init(_ source: DenseMatrix, rows: [Int]) {
        self.init(rows: rows.count, columns: source.columns)
        for (index, row) in rows.enumerated() {
            withExtendedLifetime(source) { _ = self.row(index).update(fromContentsOf: source.row(row)) }
        }
    }

    /// Column k multiplied by the k-th factor.
    func columnsScaled(by factors: [Float]) -> DenseMatrix {
        let result = DenseMatrix(rows: rows, columns: columns)
        for row in 0..<rows {
            for column in 0..<columns {
                result.memory[row * columns + column] = memory[row * columns + column] * factors[column]
            }
        }
        return result
    }

    /// `count` rows at most, evenly spread.
    func sample(_ count: Int) -> DenseMatrix {
        let count = min(count, rows)
        return DenseMatrix(self, rows: (0..<count).map { $0 * rows / count })
    }

    /// Gives `body` all values, row after row.
    func withValues<Result, Failure: Error>(
        _ body: (UnsafeBufferPointer<Float>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(self) {} }
        return try body(UnsafeBufferPointer(memory))
    }

    func quantized(
        by method: RoundingMethod, _ option: PackingOption
    ) throws(QuantizationError) -> QuantizedMatrix {
        try withValues { values throws(QuantizationError) in
            try method.quantize(
                values, rows: rows, columns: columns, grid: option.grid, groupSize: option.groupSize)
        }
    }

    deinit {
        memory.deallocate()
    }

    private func read(_ weight: Weight, _ source: Int, to row: Int) {
        weight.read(row: source, into: self.row(row))
    }

    private func row(_ index: Int) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: memory[index * columns..<(index + 1) * columns])
    }
}
