import Plans
import Testing

@testable import Quantization

@Suite struct TargetShiftTests {
    /// Inputs as the quantized model sees them: the original ones, mixed a little and disturbed.
    private func disturbed(_ problem: Problem, seed: UInt64) -> [Float] {
        var random = RandomSource(seed)
        return (0..<problem.tokens).flatMap { token in
            let x = problem.inputs[token * problem.columns..<(token + 1) * problem.columns]
            let mean = x.reduce(0, +) / Float(problem.columns)
            return x.map { 0.9 * $0 + 0.2 * mean + 0.02 * random.normal() }
        }
    }

    private func shift(_ problem: Problem, _ now: [Float], damping: Double = 0.01) throws -> (TargetShift, InputMoments)
    {
        let width = problem.columns
        let moments = try InputMoments(width: width)
        let cross = try CrossMoments(width: width)
        try now.withUnsafeBufferPointer { now in
            try moments.add(now, count: problem.tokens, stride: width)
            try problem.inputs.withUnsafeBufferPointer { original in
                try cross.add(
                    original: original, originalStride: width, quantized: now, quantizedStride: width,
                    count: problem.tokens)
            }
        }
        #expect(cross.count == problem.tokens)
        return (try TargetShift(moments: moments, cross: cross, damping: damping), moments)
    }

    @Test(arguments: [5, 16, 50])
    func gradientOfTheDefinitionIsZero(_ width: Int) throws {
        let problem = Problem(rows: 18, columns: width, tokens: 300, seed: 40)
        let now = disturbed(problem, seed: 41)
        let (shift, moments) = try shift(problem, now)
        let shifted = try problem.weights.withUnsafeBufferPointer { try shift.shifted($0, rows: 18) }
        let damping = 0.01 * moments.diagonal.reduce(0.0) { $0 + Double($1) } / Double(width)
        for row in 0..<18 {
            var gradient = [Double](repeating: 0, count: width)
            var size = [Double](repeating: 0, count: width)
            for column in 0..<width {
                gradient[column] =
                    damping * (Double(shifted[row * width + column]) - Double(problem.weights[row * width + column]))
            }
            for token in 0..<problem.tokens {
                var rest = 0.0
                for column in 0..<width {
                    rest += Double(shifted[row * width + column]) * Double(now[token * width + column])
                    rest -=
                        Double(problem.weights[row * width + column]) * Double(problem.inputs[token * width + column])
                }
                for column in 0..<width {
                    gradient[column] += rest * Double(now[token * width + column])
                    size[column] += abs(rest * Double(now[token * width + column]))
                }
            }
            for column in 0..<width { #expect(abs(gradient[column]) <= 1e-3 * (size[column] + damping * 0.05)) }
        }
    }

    @Test func unchangedInputsLeaveTheWeights() throws {
        let problem = Problem(rows: 20, columns: 37, tokens: 200, seed: 42)
        let (shift, _) = try shift(problem, problem.inputs)
        let shifted = try problem.weights.withUnsafeBufferPointer { try shift.shifted($0, rows: 20) }
        for (value, weight) in zip(shifted, problem.weights) { #expect(abs(value - weight) < 1e-4) }
    }

    @Test func theShiftedTargetQuantizesToOutputsNearerToTheOriginalOnes() throws {
        let problem = Problem(rows: 16, columns: 48, tokens: 400, seed: 43)
        let now = disturbed(problem, seed: 44)
        let (shift, moments) = try shift(problem, now)
        let shifted = try problem.weights.withUnsafeBufferPointer { try shift.shifted($0, rows: 16) }
        let method = RoundingMethod.secondOrder(try SecondOrderRounding(moments))
        func error(_ weights: [Float]) throws -> Double {
            let quantized = try weights.withUnsafeBufferPointer {
                try method.quantize($0, rows: 16, columns: 48, grid: .fourBits, groupSize: .columns32)
            }
            var values = [Float](repeating: 0, count: 48)
            var sum = 0.0
            for row in 0..<16 {
                values.withUnsafeMutableBufferPointer { quantized.values(row: row, into: $0) }
                for token in 0..<problem.tokens {
                    var rest = 0.0
                    for column in 0..<48 {
                        rest += Double(values[column]) * Double(now[token * 48 + column])
                        rest -= Double(problem.weights[row * 48 + column]) * Double(problem.inputs[token * 48 + column])
                    }
                    sum += rest * rest
                }
            }
            return sum
        }
        #expect(try error(shifted) < 0.5 * error(problem.weights))
    }

    @Test func whatDoesNotFitIsRefused() throws {
        let cross = try CrossMoments(width: 3)
        #expect(throws: QuantizationError.self) { try TargetShift(moments: InputMoments(width: 4), cross: cross) }
        #expect(throws: QuantizationError.notFinite(.inputs)) {
            try [1, .nan, 1].withUnsafeBufferPointer {
                try cross.add(original: $0, originalStride: 3, quantized: $0, quantizedStride: 3, count: 1)
            }
        }
        #expect(cross.count == 0)
        let shift = try TargetShift(moments: InputMoments(width: 3), cross: cross)
        #expect(throws: QuantizationError.notFinite(.weights)) {
            try [1, .infinity, 1].withUnsafeBufferPointer { try shift.shifted($0, rows: 1) }
        }
        #expect(throws: QuantizationError.self) {
            try [1, 1].withUnsafeBufferPointer { try shift.shifted($0, rows: 1) }
        }
    }
}
