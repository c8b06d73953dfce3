import Testing

@testable import Quantization

@Suite("Blocks of inputs chosen for a regression")
struct BlockSelectionTests {
    private static let size = 3
    private static let outputs = 4

    /// Rows of six blocks of inputs, block 4 nearly block 5 again, and targets made of blocks 1 and 5, and a little of 3.
    private static func moments() throws -> (rows: [[Float]], moments: InputMoments) {
        var random = RandomSource(7)
        let mixing = random.normals(6 * size * outputs)
        let shares: [Float] = [0, 1, 0, 0.3, 0, 1]
        var rows: [[Float]] = []
        for _ in 0..<400 {
            var inputs = random.normals(6 * size)
            for index in 0..<size { inputs[4 * size + index] = inputs[5 * size + index] + 0.05 * random.normal() }
            let targets = (0..<outputs).map { output in
                inputs.indices.reduce(Float(0)) {
                    $0 + shares[$1 / size] * mixing[$1 * outputs + output] * inputs[$1]
                }
            }
            rows.append(inputs + targets)
        }
        return (rows, try moments(of: rows))
    }

    private static func moments(of rows: [[Float]]) throws -> InputMoments {
        let moments = try InputMoments(width: rows[0].count)
        try rows.flatMap { $0 }.withUnsafeBufferPointer {
            try moments.add($0, count: rows.count, stride: rows[0].count)
        }
        return moments
    }

    @Test("a block that says again what another one says is not chosen, and groups keep their limits")
    func choice() throws {
        let (rows, moments) = try Self.moments()
        for (most, expected) in [(1, [1, 5]), (2, [1, 3, 5])] {
            let selection = try BlockSelection(
                moments, size: Self.size, groups: [0, 0, 0, 1, 1, 1], most: most, strength: 1e-6)
            #expect(selection.chosen.count == 2 * most)
            #expect(Set(selection.chosen).isSuperset(of: expected) && !selection.chosen.contains(4))
            // The error is that of a regression on the chosen blocks alone.
            let inputs = Self.size * selection.chosen.count
            let chosen = rows.map { row in
                selection.chosen.flatMap { row[$0 * Self.size..<($0 + 1) * Self.size] } + row[(6 * Self.size)...]
            }
            let regression = try RidgeRegression(try Self.moments(of: chosen), inputs: inputs)
            let weights = try regression.weights(
                prior: [Float](repeating: 0, count: inputs * Self.outputs), strength: 1e-6)
            #expect(abs(selection.error - regression.error(of: weights)) < 1e-4)
        }
        #expect(
            try BlockSelection(moments, size: Self.size, groups: [0, 0, 0, 1, 1, 1], most: 9, strength: 0.01).chosen
                .count
                == 6)
    }

    @Test("moments without targets, and inputs that are not there, are refused")
    func refusals() throws {
        let moments = try Self.moments(of: [[1, 2, 3, 4], [2, 1, 0, 1]])
        #expect(throws: QuantizationError.badShape(.moments, expected: 5, found: 4)) {
            try BlockSelection(moments, size: 2, groups: [0, 0], most: 1, strength: 0.01)
        }
        let silent = try Self.moments(of: [[0, 0, 0, 4], [0, 0, 0, 1]])
        #expect(throws: QuantizationError.notPositiveDefinite) {
            try BlockSelection(silent, size: 1, groups: [0, 0, 0], most: 1, strength: 0.01)
        }
    }
}
