/// Sums over tokens of x x^T, width x width in float32: row i, column j holds the sum of x_i x_j.
///
/// Tokens are gathered into chunks of 256; a chunk's sum is one product, and chunk sums are added in order. So the bits
/// depend on the tokens and their order, not on how they were handed over; but looking at the sums ends a chunk.
final class TokenProducts {
    static let chunk = 256
    /// Rows of the sums that one piece of work takes: four tiles, the most that the kernel takes at once.
    private static let block = 4 * ProductKernel.tile

    let width: Int
    /// From one row of the sums to the next, in floats: the width in whole tiles, filled up with zeros.
    let stride: Int
    private let kernel: ProductKernel
    private let threads: Int?
    private let sums: FloatMemory
    /// Tokens not yet summed, in strips of 16 columns: those of strip t for token k at (t * chunk + k) * 16.
    private let strips: FloatMemory
    private let transposed: FloatMemory
    private var tokenWeights: [Float] = []

    /// Only places on and above the diagonal are worked out until `finish` mirrors them.
    init(width: Int, threads: Int?) throws(QuantizationError) {
        guard width > 0, width < 1 << 20 else { throw .badShape(.moments, expected: 1 << 20, found: width) }
        self.width = width
        self.threads = threads
        kernel = try ProductKernel()
        stride = ProductKernel.padded(width)
        sums = FloatMemory(count: stride * stride)
        strips = FloatMemory(count: stride * Self.chunk)
        transposed = FloatMemory(count: stride * Self.chunk)
    }

    /// The first of `count` tokens, `stride` floats apart. Throws `notFinite` where a value is infinity or NaN and
    /// `badShape` where the buffer is too short.
    func check(
        _ rows: UnsafeBufferPointer<Float>, count: Int, stride: Int
    ) throws(QuantizationError) -> UnsafePointer<Float> {
        let (skipped, overflow) = (count - 1).multipliedReportingOverflow(by: stride)
        guard count > 0, stride >= width, !overflow, let start = rows.baseAddress, rows.count - width >= skipped else {
            throw .badShape(.inputs, expected: max(stride, width), found: rows.count)
        }
        for token in 0..<count where !Finiteness.holds(start + token * stride, width) { throw .notFinite(.inputs) }
        return start
    }

    /// Adds weight * x x^T for one token, which has been checked.
    func add(_ x: UnsafePointer<Float>, weight: Float) {
        let tile = ProductKernel.tile
        for column in Swift.stride(from: 0, to: width, by: tile) {
            let place = column * Self.chunk + tokenWeights.count * tile
            (strips.start + place).update(from: x + column, count: min(tile, width - column))
        }
        tokenWeights.append(weight)
        if tokenWeights.count == Self.chunk { sumChunk() }
    }

    /// The sums of all tokens so far, row after row, `stride` floats apart; zeros beyond `width`.
    func finish() -> UnsafeMutablePointer<Float> {
        if !tokenWeights.isEmpty { sumChunk() }
        Mirror.upperToLower(sums.start, size: stride, threads: threads)
        return sums.start
    }

    /// Adds the gathered tokens' sum. Places without a token hold zeros, which add exactly nothing.
    private func sumChunk() {
        let tile = ProductKernel.tile
        let gathered = tokenWeights.count
        let weights = tokenWeights
        let empty = (Self.chunk - gathered) * tile
        ParallelPieces.perform(stride / tile, threads: threads) { strip in
            let source = strips.start + strip * Self.chunk * tile
            let destination = transposed.start + strip * tile * Self.chunk
            (source + gathered * tile).update(repeating: 0, count: empty)
            for column in 0..<tile {
                for token in 0..<gathered {
                    destination[column * Self.chunk + token] = source[token * tile + column] * weights[token]
                }
                (destination + column * Self.chunk + gathered).update(repeating: 0, count: Self.chunk - gathered)
            }
        }
        ParallelPieces.perform(stride, by: Self.block, threads: threads) { rows in
            kernel.multiply(
                tiles: strips.start, range: rows.lowerBound / tile..<stride / tile, columns: Self.chunk,
                input: transposed.start + rows.lowerBound * Self.chunk, inputStride: Self.chunk,
                rows: rows.count, output: sums.start + rows.lowerBound * stride, outputStride: stride,
                accumulates: true)
        }
        tokenWeights.removeAll(keepingCapacity: true)
    }
}
