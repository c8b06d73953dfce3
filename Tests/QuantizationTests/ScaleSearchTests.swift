import Plans
import Testing

@testable import Quantization

@Suite struct ScaleSearchTests {
    @Test(arguments: Grid.all)
    func noScaleOfAFineScanIsMuchBetter(_ grid: Grid) throws {
        let problem = Problem(rows: 16, columns: 32, tokens: 64, seed: 20)
        let moments = try problem.moments()
        let importance = try Diagonal(moments).importance.map(Double.init)
        let quantized = try problem.quantize(.searchedScales(moments), grid)
        let levels = (0..<grid.count).map { Double(grid.level(UInt8($0))) }
        var found = 0.0
        var scanned = 0.0
        for row in 0..<16 {
            let weights = problem.weights[row * 32..<(row + 1) * 32].map(Double.init)
            func error(_ scale: Double) -> Double {
                zip(weights, importance).reduce(0) { sum, pair in
                    let nearest = levels.map { abs(pair.0 - scale * $0) }.min() ?? 0
                    return sum + pair.1 * nearest * nearest
                }
            }
            let unit = (weights.map(abs).max() ?? 0) / Double(-grid.lowest)
            let best = (-240...240).filter { $0 != 0 }.map { error(Double($0) / 200 * unit) }.min() ?? 0
            found += error(halfValue(quantized.scales[row]))
            scanned += best
        }
        #expect(found <= scanned * 1.1)
    }

    @Test func eitherSignServesTheLongerTail() throws {
        // With four bits, 8 is a level only of a negative scale, and -8 only of a positive one.
        for sign: Float in [1, -1] {
            let weights = (0..<32).map { Float($0 % 16 - 7) * sign }
            let quantized = try weights.withUnsafeBufferPointer {
                try RoundingMethod.searchedScales(nil).quantize(
                    $0, rows: 1, columns: 32, grid: .fourBits, groupSize: .columns32)
            }
            #expect(halfValue(quantized.scales[0]) == Double(-sign))
            var values = [Float](repeating: 0, count: 32)
            values.withUnsafeMutableBufferPointer { quantized.values(row: 0, into: $0) }
            #expect(values == weights)
        }
    }

    @Test func importantColumnsAreKeptBetter() throws {
        var random = RandomSource(21)
        let weights = random.normals(32)
        var inputs = [Float](repeating: 0.01, count: 32)
        inputs[3] = 10
        let moments = try InputMoments(width: 32)
        try inputs.withUnsafeBufferPointer { try moments.add($0, count: 1, stride: 32) }
        func error(_ method: RoundingMethod) throws -> Float {
            let quantized = try weights.withUnsafeBufferPointer {
                try method.quantize(
                    $0, rows: 1, columns: 32, grid: Grid(bits: .two, kind: .centered), groupSize: .columns32)
            }
            var values = [Float](repeating: 0, count: 32)
            values.withUnsafeMutableBufferPointer { quantized.values(row: 0, into: $0) }
            return abs(values[3] - weights[3])
        }
        #expect(try error(.searchedScales(moments)) < 0.2 * error(.searchedScales(nil)))
    }
}
