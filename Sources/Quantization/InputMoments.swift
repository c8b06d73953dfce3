/// The second moments of a linear's inputs, H = the sum over tokens of x x^T, width x width in float32.
///
/// Tokens are gathered into chunks of 256; a chunk's sum is one product, and chunk sums are added in order. So the bits
/// depend on the tokens and their order, not on how they were handed over; but looking at H ends a chunk. Memory: width^2 floats and two chunks.
public final class InputMoments {
    private static let chunk = 256
    /// Rows of H that one piece of work takes: four tiles, the most that the kernel takes at once.
    private static let block = 4 * ProductKernel.tile

    /// Inputs of the linear.
    public let width: Int
    /// Tokens added.
    public private(set) var count = 0
    /// From one row of H to the next, in floats: the width in whole tiles, filled up with zeros.
    let stride: Int
    private let kernel: ProductKernel
    private let threads: Int?
    private let sums: FloatMemory
    /// Tokens not yet summed, in strips of 16 columns: those of strip t for token k at (t * chunk + k) * 16.
    private let strips: FloatMemory
    private let transposed: FloatMemory
    private var tokenWeights: [Float] = []
    private var isMirrored = true

    /// Throws `badShape` where `width` is not that of a matrix in memory.
    public convenience init(width: Int) throws(QuantizationError) {
        try self.init(width: width, threads: nil)
    }

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

    /// Adds `count` tokens, `stride` floats apart, each `width` long. Throws `notFinite` where a value is infinity or NaN
    /// (then nothing is added) and `badShape` where the buffer is too short.
    public func add(_ rows: UnsafeBufferPointer<Float>, count: Int, stride: Int) throws(QuantizationError) {
        try add(rows, count: count, stride: stride) { _ in 1 }
    }

    /// Adds tokens as above, token i counted `weights[i]` times; weights are finite and not negative.
    public func add(
        _ rows: UnsafeBufferPointer<Float>, count: Int, stride: Int, weights: UnsafeBufferPointer<Float>
    ) throws(QuantizationError) {
        guard weights.count >= count else { throw .badShape(.inputs, expected: count, found: weights.count) }
        guard weights.prefix(count).allSatisfy({ $0.isFinite && $0 >= 0 }) else { throw .notFinite(.inputs) }
        try add(rows, count: count, stride: stride) { weights[$0] }
    }

    private func add(
        _ rows: UnsafeBufferPointer<Float>, count: Int, stride: Int, weight: (Int) -> Float
    ) throws(QuantizationError) {
        guard count > 0 else { return }
        let (skipped, overflow) = (count - 1).multipliedReportingOverflow(by: stride)
        guard stride >= width, !overflow, let start = rows.baseAddress, rows.count - width >= skipped else {
            throw .badShape(.inputs, expected: max(stride, width), found: rows.count)
        }
        for token in 0..<count where !Finiteness.holds(start + token * stride, width) { throw .notFinite(.inputs) }
        let tile = ProductKernel.tile
        for token in 0..<count {
            let row = start + token * stride
            for column in Swift.stride(from: 0, to: width, by: tile) {
                let place = column * Self.chunk + tokenWeights.count * tile
                (strips.start + place).update(from: row + column, count: min(tile, width - column))
            }
            tokenWeights.append(weight(token))
            if tokenWeights.count == Self.chunk { sumChunk() }
        }
        self.count += count
        isMirrored = false
    }

    /// The second moments of each input by itself: the sum of its squares.
    public var diagonal: [Float] {
        let matrix = symmetric()
        return (0..<width).map { matrix[$0 * stride + $0] }
    }

    /// H with both triangles filled, row after row, `stride` floats apart; zeros beyond `width`.
    func symmetric() -> UnsafeMutablePointer<Float> {
        if isMirrored { return sums.start }
        if !tokenWeights.isEmpty { sumChunk() }
        Mirror.upperToLower(sums.start, size: stride, threads: threads)
        isMirrored = true
        return sums.start
    }

    /// Adds the gathered tokens' sum to the upper triangle. Places without a token hold zeros, which add exactly nothing.
    private func sumChunk() {
        let tile = ProductKernel.tile
        let gathered = tokenWeights.count
        let weights = tokenWeights
        ParallelPieces.perform(stride / tile, threads: threads) { strip in
            let source = strips.start + strip * Self.chunk * tile
            let destination = transposed.start + strip * tile * Self.chunk
            (source + gathered * tile).update(repeating: 0, count: (Self.chunk - gathered) * tile)
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
                input: transposed.start + rows.lowerBound * Self.chunk, inputStride: Self.chunk, rows: rows.count,
                output: sums.start + rows.lowerBound * stride, outputStride: stride, accumulates: true)
        }
        tokenWeights.removeAll(keepingCapacity: true)
    }
}
