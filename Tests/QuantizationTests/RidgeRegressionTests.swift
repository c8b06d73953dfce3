import Testing

@testable import Quantization

@Suite("Ridge regression from moments")
struct RidgeRegressionTests {
    /// Deterministic values between -1 and 1.
    private static func values(_ count: Int, seed: UInt64) -> [Float] {
        var state = seed
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(Int32(truncatingIfNeeded: state >> 33)) / 0x1p30 - 1
        }
    }

    /// Rows of inputs with their targets: W x, and `noise` times something else.
    private static func rows(
        _ count: Int, inputs: Int, outputs: Int, weights: [Float], noise: Float
    ) -> [Float] {
        let x = values(count * inputs, seed: 3)
        let other = values(count * outputs, seed: 5)
        var rows: [Float] = []
        for row in 0..<count {
            let input = Array(x[row * inputs..<(row + 1) * inputs])
            rows += input
            for output in 0..<outputs {
                let product = zip(input, weights[output * inputs..<(output + 1) * inputs]).reduce(Float(0)) {
                    $0 + $1.0 * $1.1
                }
                rows.append(product + noise * other[row * outputs + output])
            }
        }
        return rows
    }

    private static func regression(_ rows: [Float], inputs: Int, outputs: Int) throws -> RidgeRegression {
        let width = inputs + outputs
        let moments = try InputMoments(width: width)
        try rows.withUnsafeBufferPointer { try moments.add($0, count: rows.count / width, stride: width) }
        return try RidgeRegression(moments, inputs: inputs)
    }

    @Test("targets that are linear are found", arguments: [(5, 3), (33, 7), (150, 20)])
    func exact(inputs: Int, outputs: Int) throws {
        let weights = Self.values(inputs * outputs, seed: 7)
        let rows = Self.rows(4 * inputs, inputs: inputs, outputs: outputs, weights: weights, noise: 0)
        let regression = try Self.regression(rows, inputs: inputs, outputs: outputs)
        let found = try regression.weights(prior: Array(repeating: 0, count: weights.count), strength: 1e-7)
        for (one, other) in zip(found, weights) { #expect(abs(one - other) < 1e-3) }
        #expect(regression.error(of: found) < 1e-5)
        #expect(abs(regression.error(of: Array(repeating: 0, count: weights.count)) - 1) < 1e-9)
    }

    @Test("the solution has no slope, and its error is that of the rows")
    func stationary() throws {
        let (inputs, outputs, count) = (40, 6, 300)
        let prior = Self.values(inputs * outputs, seed: 11)
        let weights = Self.values(inputs * outputs, seed: 7)
        let rows = Self.rows(count, inputs: inputs, outputs: outputs, weights: weights, noise: 0.3)
        let regression = try Self.regression(rows, inputs: inputs, outputs: outputs)
        let strength = 0.05
        let found = try regression.weights(prior: prior, strength: strength)
        let width = inputs + outputs
        var (energy, left, targets) = (0.0, 0.0, 0.0)
        var slopes = [Double](repeating: 0, count: inputs * outputs)
        for row in 0..<count {
            let values = rows[row * width..<(row + 1) * width].map(Double.init)
            for input in 0..<inputs { energy += values[input] * values[input] }
            for output in 0..<outputs {
                var error = values[inputs + output]
                targets += error * error
                for input in 0..<inputs { error -= Double(found[output * inputs + input]) * values[input] }
                left += error * error
                for input in 0..<inputs { slopes[output * inputs + input] -= error * values[input] }
            }
        }
        let penalty = strength * energy / Double(inputs)
        for index in slopes.indices {
            let slope = slopes[index] + penalty * (Double(found[index]) - Double(prior[index]))
            #expect(abs(slope) < 1e-3)
        }
        #expect(abs(regression.error(of: found) - left / targets) < 1e-5)
        // The more it costs, the closer to the prior.
        let close = try regression.weights(prior: prior, strength: 1e6)
        for (one, other) in zip(close, prior) { #expect(abs(one - other) < 1e-3) }
    }

    @Test("shapes and moments that no rows have are refused")
    func refusals() throws {
        let moments = try InputMoments(width: 4)
        for inputs in [0, 4, 5] {
            #expect(throws: QuantizationError.self) { _ = try RidgeRegression(moments, inputs: inputs) }
        }
        let regression = try RidgeRegression(moments, inputs: 3)
        #expect(throws: QuantizationError.badShape(.weights, expected: 3, found: 2)) {
            _ = try regression.weights(prior: [0, 0], strength: 1)
        }
        // Inputs that were never seen: no penalty makes up for that.
        #expect(throws: QuantizationError.notPositiveDefinite) {
            _ = try regression.weights(prior: [0, 0, 0], strength: 1)
        }
    }
}
