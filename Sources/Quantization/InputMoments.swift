/// The second moments of a linear's inputs, H = the sum over tokens of x x^T, width x width in float32.
///
/// The bits depend on the tokens and their order, not on how they were handed over; but looking at H between two calls
/// ends a chunk of the sum. Memory: width^2 floats and 512 tokens.
public final class InputMoments {
    /// Tokens added.
    public private(set) var count = 0
    private let products: TokenProducts
    private var finished: UnsafeMutablePointer<Float>?

    /// Throws `badShape` where `width` is not that of a matrix in memory.
    public convenience init(width: Int) throws(QuantizationError) {
        try self.init(width: width, threads: nil)
    }

    init(width: Int, threads: Int?) throws(QuantizationError) {
        products = try TokenProducts(width: width, threads: threads)
    }

    /// Inputs of the linear.
    public var width: Int { products.width }

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
        let start = try products.check(rows, count: count, stride: stride)
        for token in 0..<count {
            products.add(start + token * stride, weight: weight(token))
        }
        self.count += count
        finished = nil
    }

    /// The second moments of each input by itself: the sum of its squares.
    public var diagonal: [Float] {
        let matrix = symmetric()
        return (0..<width).map { matrix[$0 * stride + $0] }
    }

    /// From one row of H to the next, in floats: the width in whole tiles, filled up with zeros.
    var stride: Int { products.stride }

    /// H with both triangles filled, row after row, `stride` floats apart; zeros beyond `width`.
    func symmetric() -> UnsafeMutablePointer<Float> {
        if let finished { return finished }
        let matrix = products.finish()
        finished = matrix
        return matrix
    }

    /// The moments of inputs divided by `factors`, one for each: H[i][j] / (f_i f_j). Throws `badShape` where they are not
    /// as many as inputs, and `notFinite` where one is not positive and finite.
    public func divided(by factors: [Float]) throws(QuantizationError) -> InputMoments {
        guard factors.count == width else { throw .badShape(.moments, expected: width, found: factors.count) }
        guard factors.allSatisfy({ $0 > 0 && $0.isFinite }) else { throw .notFinite(.inputs) }
        let result = try InputMoments(width: width)
        let (source, destination) = (symmetric(), result.symmetric())
        let inverse = factors.map { 1 / $0 }
        for row in 0..<width {
            for column in 0..<width {
                destination[row * stride + column] =
                    source[row * stride + column] * (inverse[row] * inverse[column])
            }
        }
        result.count = count
        return result
    }

    /// The moments of the first `count` inputs. Throws `badShape` where there are not so many.
    public func prefix(_ count: Int) throws(QuantizationError) -> InputMoments {
        guard count <= width else { throw .badShape(.moments, expected: count, found: width) }
        let result = try InputMoments(width: count)
        let (source, destination) = (symmetric(), result.symmetric())
        for row in 0..<count {
            (destination + row * result.stride).update(from: source + row * stride, count: count)
        }
        result.count = self.count
        return result
    }

    /// H with `value`, which is finite and not negative, added to its diagonal: as if every input had been there alone, too,
    /// with that energy. Throws `notFinite` for another value.
    public func adding(toDiagonal value: Float) throws(QuantizationError) -> InputMoments {
        guard value >= 0, value.isFinite else { throw .notFinite(.inputs) }
        let result = try InputMoments(width: width)
        let destination = result.symmetric()
        destination.update(from: symmetric(), count: stride * stride)
        for column in 0..<width { destination[column * stride + column] += value }
        result.count = count
        return result
    }
}
