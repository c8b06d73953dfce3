/// The factorization H + damping = (U + I) D (U + I)^T with U strictly upper triangular and D diagonal, its rows and
/// columns taken in an order in which the inputs with the largest second moments come first.
///
/// Chee et al. 2023 (QuIP), section 3, with the order of Frantar et al. 2022 (GPTQ, "activation order"). It is worked out
/// from the last column to the first, in strips of 16 columns. A strip first loses what the later ones explain, in the
/// float32 product kernel; its 16 x 16 block is then factored in double precision.
final class Factorization {
    private static let tile = ProductKernel.tile
    /// Rows that one thread takes at once: small beside any matrix, a multiple of the kernel's blocks of 6.
    private static let piece = 96

    let width: Int
    /// From one row to the next in floats: the width in whole tiles; the rows and columns beyond are those of I.
    let stride: Int
    /// The input at each place of the order.
    let order: [Int]
    /// D, in order.
    private(set) var pivots: [Float]
    /// What was added to the diagonal.
    private(set) var damping: Float
    /// How often the damping had to be raised.
    private(set) var raises = 0
    private let memory: FloatMemory
    private let kernel: ProductKernel
    private let threads: Int?

    /// `damping` is a share of the diagonal's mean. Throws `notFinite` where H is not, and `notPositiveDefinite` where no
    /// damping helps.
    init(_ moments: InputMoments, damping share: Double, threads: Int? = nil) throws(QuantizationError) {
        width = moments.width
        stride = moments.stride
        kernel = try ProductKernel()
        self.threads = threads
        let diagonal = try Diagonal(moments)
        // A total order: equal moments in the order of the inputs.
        let values = diagonal.values
        order = values.indices.sorted { (values[$1], $0) < (values[$0], $1) }
        memory = FloatMemory(count: stride * stride)
        pivots = [Float](repeating: 1, count: stride)
        self.damping = diagonal.damping(share: share)
        while true {
            try fill(from: moments)
            if factor() { break }
            raises += 1
            guard raises < 12 else { throw .notPositiveDefinite }
            self.damping = max(self.damping * 10, diagonal.damping(share: 1e-6))
        }
        Mirror.upperToLower(memory.start, size: stride, threads: threads)
    }

    /// U above the diagonal and its transpose below, zeros on it; rows `stride` floats apart.
    var upper: UnsafeMutablePointer<Float> { memory.start }

    /// The upper triangle of the ordered, damped H.
    private func fill(from moments: InputMoments) throws(QuantizationError) {
        let source = moments.symmetric()
        let matrix = memory.start
        for row in 0..<width where !Finiteness.holds(source + row * stride, width) { throw .notFinite(.moments) }
        ParallelPieces.perform(stride, by: Self.piece, threads: threads) { rows in
            for row in rows {
                let destination = matrix + row * stride
                guard row < width else {
                    destination.update(repeating: 0, count: stride)
                    destination[row] = 1
                    continue
                }
                let values = source + order[row] * stride
                for column in row / Self.tile * Self.tile..<width { destination[column] = values[order[column]] }
                (destination + width).update(repeating: 0, count: stride - width)
                destination[row] += damping
            }
        }
    }

    /// False where a pivot is not positive, or so far below its diagonal element that rounding may have made it.
    private func factor() -> Bool {
        let strip = FloatMemory(count: stride * Self.tile)
        for first in Swift.stride(from: stride - Self.tile, through: 0, by: -Self.tile) {
            let next = first + Self.tile
            packNegated(first, into: strip)
            let diagonal = (first..<next).map { memory.start[$0 * stride + $0] }
            explain(first, rows: first..<next, strip: strip)
            guard let block = DiagonalBlock(memory.start + first * stride + first, stride: stride),
                zip(block.pivots, diagonal).allSatisfy({ $0 > 0x1p-22 * $1 })
            else { return false }
            for place in 0..<Self.tile { pivots[first + place] = block.pivots[place] }
            block.store(memory.start + first * stride + first, stride: stride)
            ParallelPieces.perform(first, by: Self.piece, threads: threads) { rows in
                explain(first, rows: rows, strip: strip)
                for row in rows { block.solve(memory.start + row * stride + first) }
            }
        }
        return true
    }

    /// -U D of the strip's rows, packed: 16 values for each later column.
    private func packNegated(_ first: Int, into strip: FloatMemory) {
        let next = first + Self.tile
        for row in 0..<Self.tile {
            let values = memory.start + (first + row) * stride
            for column in next..<stride {
                strip.start[(column - next) * Self.tile + row] = -values[column] * pivots[column]
            }
        }
    }

    /// Takes from the strip's columns what the later columns explain.
    private func explain(_ first: Int, rows: Range<Int>, strip: FloatMemory) {
        let next = first + Self.tile
        guard next < stride else { return }
        let start = memory.start + rows.lowerBound * stride
        kernel.multiply(
            tiles: strip.start, range: 0..<1, columns: stride - next, input: start + next, inputStride: stride,
            rows: rows.count, output: start + first, outputStride: stride, accumulates: true)
    }
}

/// The factorization of one 16 x 16 block on the diagonal, in double precision.
private struct DiagonalBlock {
    private static let tile = ProductKernel.tile

    var pivots: [Float]
    private var inversePivots = Lanes()
    /// Column k of the block's U: lane j holds U[j][k], 0 from the diagonal on.
    private var columns = [Lanes](repeating: Lanes(), count: tile)

    /// Nil where a pivot is not positive.
    init?(_ matrix: UnsafeMutablePointer<Float>, stride: Int) {
        let tile = Self.tile
        var upper = [Double](repeating: 0, count: tile * tile)
        var diagonal = [Double](repeating: 0, count: tile)
        for column in (0..<tile).reversed() {
            for row in (0...column).reversed() {
                var value = Double(matrix[row * stride + column])
                for later in column + 1..<tile {
                    value -= upper[row * tile + later] * diagonal[later] * upper[column * tile + later]
                }
                if row < column {
                    upper[row * tile + column] = value / diagonal[column]
                } else {
                    guard value > 0, value.isFinite else { return nil }
                    diagonal[column] = value
                    upper[column * tile + column] = 1
                }
            }
        }
        pivots = diagonal.map(Float.init)
        for column in 0..<tile {
            inversePivots[column] = Float(1 / diagonal[column])
            for row in 0..<column { columns[column][row] = Float(upper[row * tile + column]) }
        }
    }

    /// Writes the block's U, zeros on its diagonal.
    func store(_ matrix: UnsafeMutablePointer<Float>, stride: Int) {
        for column in 0..<Self.tile {
            for row in 0...column { matrix[row * stride + column] = columns[column][row] }
        }
    }

    /// Turns 16 values of a row above, y = U D (U_block + I)^T, into its U.
    @inline(__always)
    func solve(_ row: UnsafeMutablePointer<Float>) {
        var values = row.lanes(0)
        for column in (1..<Self.tile).reversed() { values -= columns[column] * values[column] }
        row.store(values * inversePivots, 0)
    }
}
