/// Linear regression from second moments: the matrix W that makes the sum of |t - W x|^2 small without going far from a
/// given one.
///
/// Moments are those of rows that hold inputs x first and targets t behind them. Everything is worked out in double
/// precision, in an order that does not depend on threads.
public struct RidgeRegression {
    public let inputs: Int
    public let outputs: Int
    private let moments: InputMoments

    /// Throws `badShape` where the moments have no room for targets, or inputs are none.
    public init(_ moments: InputMoments, inputs: Int) throws(QuantizationError) {
        guard inputs > 0, inputs < moments.width else {
            throw .badShape(.moments, expected: inputs + 1, found: moments.width)
        }
        self.moments = moments
        self.inputs = inputs
        outputs = moments.width - inputs
    }

    /// The weights, a row of `inputs` for each output. Going from `prior` costs `strength` times the mean energy of the
    /// inputs.
    ///
    /// Throws `badShape` for a prior of another size, `notFinite` where moments are not, and `notPositiveDefinite` where the
    /// strength is too small for them.
    public func weights(prior: [Float], strength: Double) throws(QuantizationError) -> [Float] {
        guard prior.count == inputs * outputs else {
            throw .badShape(.weights, expected: inputs * outputs, found: prior.count)
        }
        let (matrix, stride) = (moments.symmetric(), moments.stride)
        for row in 0..<moments.width where !Finiteness.holds(matrix + row * stride, moments.width) {
            throw .notFinite(.moments)
        }
        let energy = (0..<inputs).reduce(0) { $0 + Double(matrix[$1 * stride + $1]) }
        let penalty = strength * energy / Double(inputs)
        guard let factor = Cholesky(matrix, stride: stride, size: inputs, adding: penalty) else {
            throw .notPositiveDefinite
        }
        var weights = prior
        weights.withUnsafeMutableBufferPointer { weights in
            nonisolated(unsafe) let weights = weights
            ParallelPieces.perform(outputs, by: 8) { rows in
                for output in rows {
                    let row = UnsafeMutableBufferPointer(rebasing: weights[output * inputs..<(output + 1) * inputs])
                    var right = (0..<inputs).map { input in
                        Double(matrix[input * stride + inputs + output]) + penalty * Double(row[input])
                    }
                    factor.solve(&right)
                    for input in 0..<inputs { row[input] = Float(right[input]) }
                }
            }
        }
        return weights
    }

    /// The share of the targets' energy that W leaves unexplained: the sum of |t - W x|^2 over that of |t|^2.
    public func error(of weights: [Float]) -> Double {
        let (matrix, stride) = (moments.symmetric(), moments.stride)
        var energy = 0.0
        var parts = [Double](repeating: 0, count: outputs)
        parts.withUnsafeMutableBufferPointer { parts in
            nonisolated(unsafe) let parts = parts
            ParallelPieces.perform(outputs) { output in
                let row = weights[output * inputs..<(output + 1) * inputs].map(Double.init)
                let target = inputs + output
                var sum = Double(matrix[target * stride + target])
                for input in 0..<inputs {
                    let moments = matrix + input * stride
                    var product = -2 * Double(moments[target])
                    for other in 0..<inputs { product += Double(moments[other]) * row[other] }
                    sum += product * row[input]
                }
                parts[output] = sum
            }
        }
        for output in 0..<outputs { energy += Double(matrix[(inputs + output) * stride + inputs + output]) }
        return energy > 0 ? max(0, parts.reduce(0, +)) / energy : 0
    }
}

/// The factorization of a symmetric positive definite matrix, L L^T.
private struct Cholesky: @unchecked Sendable {
    /// Written by `init` alone.
    private let lower: UnsafeMutablePointer<Double>
    private let owner: Owner
    private let size: Int

    private final class Owner {
        let memory: UnsafeMutablePointer<Double>
        init(count: Int) {
            memory = .allocate(capacity: count)
            memory.initialize(repeating: 0, count: count)
        }
        deinit { memory.deallocate() }
    }

    /// Rows `stride` apart, `penalty` added to the diagonal. Nil where that is not positive definite.
    init?(_ matrix: UnsafeMutablePointer<Float>, stride: Int, size: Int, adding penalty: Double) {
        owner = Owner(count: size * size)
        let lower = owner.memory
        self.lower = lower
        self.size = size
        for column in 0..<size {
            let pivotRow = lower + column * size
            let diagonal = Double(matrix[column * stride + column]) + penalty
            let pivot = diagonal - Cholesky.dot(pivotRow, pivotRow, column)
            // Below that, what is left of the diagonal is rounding.
            guard pivot > diagonal * 1e-10, pivot.isFinite else { return nil }
            let root = pivot.squareRoot()
            pivotRow[column] = root
            ParallelPieces.perform(size - column - 1, by: 128) { rows in
                for row in rows {
                    let place = lower + (column + 1 + row) * size
                    let value = Double(matrix[(column + 1 + row) * stride + column])
                    place[column] = (value - Cholesky.dot(place, pivotRow, column)) / root
                }
            }
        }
    }

    /// Replaces b by the solution of L L^T x = b.
    func solve(_ values: inout [Double]) {
        withExtendedLifetime(owner) {
            values.withUnsafeMutableBufferPointer { values in
                guard let start = values.baseAddress else { return }
                for row in 0..<size {
                    let place = lower + row * size
                    start[row] = (start[row] - Cholesky.dot(place, start, row)) / place[row]
                }
                for row in (0..<size).reversed() {
                    let place = lower + row * size
                    start[row] /= place[row]
                    let value = start[row]
                    for column in 0..<row { start[column] -= value * place[column] }
                }
            }
        }
    }

    private static func dot(
        _ left: UnsafeMutablePointer<Double>, _ right: UnsafeMutablePointer<Double>, _ count: Int
    ) -> Double {
        var lanes = SIMD8<Double>()
        let whole = count / 8 * 8
        for start in Swift.stride(from: 0, to: whole, by: 8) {
            let one = UnsafeRawPointer(left + start).loadUnaligned(as: SIMD8<Double>.self)
            let other = UnsafeRawPointer(right + start).loadUnaligned(as: SIMD8<Double>.self)
            lanes += one * other
        }
        var sum = lanes.sum()
        for index in whole..<count { sum += left[index] * right[index] }
        return sum
    }
}
