import Plans
import Synchronization

/// The road of a matrix through rounding: a few tiles of rows at a time, on all processors.
enum MatrixRounding {
    /// Loads pieces of at most 64 rows, lets `round` choose their scales and levels, and collects codes and scales.
    static func run(
        _ weights: UnsafeBufferPointer<Float>, rows: Int, columns: Int, grid: Grid, groupSize: GroupSize, threads: Int?,
        _ round: (RowTiles) -> Void
    ) throws(QuantizationError) -> QuantizedMatrix {
        let kernel = try ProductKernel()
        let source = try start(of: weights, rows: rows, columns: columns)
        let groups = groupSize.count(columns: columns)
        var codes = [UInt8](repeating: 0, count: rows * columns)
        var scales = [UInt16](repeating: 0, count: rows * groups)
        let isFinite = Atomic<Bool>(true)
        codes.withUnsafeMutableBufferPointer { codes in
            scales.withUnsafeMutableBufferPointer { scales in
                guard let codes = codes.baseAddress, let scales = scales.baseAddress else { return }
                ParallelPieces.perform(rows, by: RowTiles.most * ProductKernel.tile, threads: threads) { range in
                    let piece = RowTiles(
                        rows: range.count, width: columns, grid: grid, groupSize: groupSize, kernel: kernel)
                    guard piece.load(source + range.lowerBound * columns, rows: range.count) else {
                        isFinite.store(false, ordering: .relaxed)
                        return
                    }
                    round(piece)
                    piece.store(
                        rows: range.count, grid: grid, codes: codes + range.lowerBound * columns,
                        scales: scales + range.lowerBound * groups)
                }
            }
        }
        guard isFinite.load(ordering: .relaxed) else { throw .notFinite(.weights) }
        return try QuantizedMatrix(
            rows: rows, columns: columns, grid: grid, groupSize: groupSize, codes: codes, scales: scales)
    }

    /// The first weight, where the buffer holds as many as the sizes say.
    static func start(
        of weights: UnsafeBufferPointer<Float>, rows: Int, columns: Int
    ) throws(QuantizationError) -> UnsafePointer<Float> {
        let (count, overflow) = rows.multipliedReportingOverflow(by: columns)
        guard rows > 0, columns > 0, !overflow, weights.count == count, let start = weights.baseAddress else {
            throw .badShape(.weights, expected: overflow ? Int.max : count, found: weights.count)
        }
        return start
    }
}
