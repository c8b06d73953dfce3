/// Cross moments of the inputs that a linear sees once the layers before it are quantized (y) and of those that it saw in
/// the original model (x): the sum over tokens of y x^T, width x width in float32.
public final class CrossMoments {
    /// Tokens added.
    public private(set) var count = 0
    fileprivate let products: TokenProducts

    /// Throws `badShape` where `width` is not that of a matrix in memory.
    public init(width: Int) throws(QuantizationError) {
        products = try TokenProducts(width: width, isSymmetric: false, threads: nil)
    }

    /// Adds `count` tokens: row i of both buffers is the same token. Throws as `InputMoments.add`.
    public func add(
        original: UnsafeBufferPointer<Float>, originalStride: Int, quantized: UnsafeBufferPointer<Float>,
        quantizedStride: Int, count: Int
    ) throws(QuantizationError) {
        guard count > 0 else { return }
        let x = try products.check(original, count: count, stride: originalStride)
        let y = try products.check(quantized, count: count, stride: quantizedStride)
        for token in 0..<count { products.add(y + token * quantizedStride, x + token * originalStride, weight: 1) }
        self.count += count
    }
}

/// Weights that make up for inputs changed by the quantization of earlier layers: with H = sum y y^T and C = sum x y^T,
/// W' = W (C + damping) (H + damping)^-1 makes |W x - W' y|^2 + damping |W - W'|^2 smallest over the tokens. Quantizing W'
/// with the moments of y then aims at the original outputs. Where x is y, W' is W.
///
/// Two triangular solves with the factorization of H, in strips of 16 columns by the product kernel.
public struct TargetShift {
    private let factorization: Factorization
    /// Row j holds the sum of y_j x.
    private let cross: UnsafeMutablePointer<Float>
    /// Keeps what `cross` points to.
    private let crossMoments: CrossMoments
    private let kernel: ProductKernel

    /// `moments` are those of the inputs now (y); `damping` is a share of their diagonal's mean. Throws `badShape` where
    /// the widths differ, and what a factorization throws.
    public init(
        moments: InputMoments, cross: CrossMoments, damping: Double = 0.01
    ) throws(QuantizationError) {
        guard moments.width == cross.products.width else {
            throw .badShape(.moments, expected: moments.width, found: cross.products.width)
        }
        factorization = try Factorization(moments, damping: damping)
        crossMoments = cross
        self.cross = cross.products.finish()
        kernel = try ProductKernel()
        for row in 0..<moments.width where !Finiteness.holds(self.cross + row * moments.stride, moments.width) {
            throw .notFinite(.moments)
        }
    }

    /// W' for `rows` rows of weights, row after row. Throws `notFinite` where a weight, or what comes out, is infinity or
    /// NaN.
    public func shifted(_ weights: UnsafeBufferPointer<Float>, rows: Int) throws(QuantizationError) -> [Float] {
        let width = factorization.width
        let source = try MatrixRounding.start(of: weights, rows: rows, columns: width)
        guard Finiteness.holds(source, weights.count) else { throw .notFinite(.weights) }
        var result = [Float](repeating: 0, count: weights.count)
        result.withUnsafeMutableBufferPointer { result in
            guard let result = result.baseAddress else { return }
            ParallelPieces.perform(rows, by: ProductKernel.tile) { range in
                shift(source + range.lowerBound * width, rows: range.count, result + range.lowerBound * width)
            }
        }
        guard result.withUnsafeBufferPointer({ $0.baseAddress.map { Finiteness.holds($0, weights.count) } }) == true
        else { throw .notFinite(.weights) }
        return result
    }

    /// One tile of rows.
    private func shift(_ source: UnsafePointer<Float>, rows: Int, _ result: UnsafeMutablePointer<Float>) {
        let tile = ProductKernel.tile
        let (width, stride) = (factorization.width, factorization.stride)
        let weights = FloatMemory(count: stride * tile)
        let products = FloatMemory(count: stride * tile)
        let solution = FloatMemory(count: stride * tile)
        for row in 0..<rows {
            for column in 0..<width { weights.start[column * tile + row] = source[row * width + column] }
        }
        kernel.multiply(
            tiles: weights.start, range: 0..<1, columns: stride, input: cross, inputStride: stride, rows: width,
            output: products.start, outputStride: tile)
        for (place, column) in factorization.order.enumerated() {
            let damped = weights.start.lanes(column * tile) * factorization.damping
            solution.start.store(products.start.lanes(column * tile) + damped, place * tile)
        }
        solve(solution.start)
        for (place, column) in factorization.order.enumerated() {
            for row in 0..<rows { result[row * width + column] = solution.start[place * tile + row] }
        }
    }

    /// Turns W (U + I) D (U + I)^T, a tile in the factorization's order, into W.
    private func solve(_ values: UnsafeMutablePointer<Float>) {
        let tile = ProductKernel.tile
        let stride = factorization.stride
        let matrix = factorization.upper
        let sums = FloatMemory(count: tile * tile)
        // From the last column to the first: what U holds to the right of the diagonal.
        for first in Swift.stride(from: stride - tile, through: 0, by: -tile) {
            let next = first + tile
            kernel.multiply(
                tiles: values + next * tile, range: 0..<1, columns: stride - next,
                input: matrix + first * stride + next,
                inputStride: stride, rows: tile, output: sums.start, outputStride: tile)
            for place in (first..<next).reversed() {
                var value = values.lanes(place * tile) - sums.start.lanes((place - first) * tile)
                for later in place + 1..<max(next, place + 1) {
                    value -= values.lanes(later * tile) * matrix[place * stride + later]
                }
                values.store(value, place * tile)
            }
        }
        for place in 0..<stride { values.store(values.lanes(place * tile) / factorization.pivots[place], place * tile) }
        // From the first to the last: its transpose, to the left.
        for first in Swift.stride(from: 0, to: stride, by: tile) {
            kernel.multiply(
                tiles: values, range: 0..<1, columns: first, input: matrix + first * stride, inputStride: stride,
                rows: tile, output: sums.start, outputStride: tile)
            for place in first..<first + tile {
                var value = values.lanes(place * tile) - sums.start.lanes((place - first) * tile)
                for earlier in first..<place {
                    value -= values.lanes(earlier * tile) * matrix[place * stride + earlier]
                }
                values.store(value, place * tile)
            }
        }
    }
}
