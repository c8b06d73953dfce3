import Foundation
import Models
import Passes
import Plans
import Testing

@testable import Runtime

/// A softmax window with linear attention to what it leaves out, in its quadratic form and in double precision, against what
/// the engine makes of keys, values and queries made up here, step after step.
@Suite("Hybrid attention against the formula")
struct HybridReferenceTests {
    struct Shape: Sendable, CustomTestStringConvertible {
        let step: StepShape
        let (block, length, sinks, rows): (Int, Int, Int, Int)
        /// Whether each query head has a map of its own for the keys.
        let isSplit: Bool

        var testDescription: String {
            "\(step.committed) and \(step.parents.count) rows, \(length) in blocks of \(block), \(sinks) sinks, \(2 * rows) features"
                + (isSplit ? " of each query head" : "")
        }

        init(_ step: StepShape, block: Int, length: Int, sinks: Int = 0, rows: Int = 16, isSplit: Bool = false) {
            (self.step, self.block, self.length, self.sinks) = (step, block, length, sinks)
            (self.rows, self.isSplit) = (rows, isSplit)
        }

        static let all = [
            Shape(.chain(0, 1), block: 16, length: 64), Shape(.chain(0, 60), block: 8, length: 16, sinks: 4),
            Shape(.chain(63, 1), block: 16, length: 64), Shape(.chain(64, 1), block: 16, length: 64, sinks: 3),
            Shape(.chain(65, 64), block: 1, length: 20, sinks: 2, rows: 32),
            Shape(.chain(500, 1), block: 1, length: 64, isSplit: true),
            Shape(.chain(300, 40), block: 1, length: 1),
            Shape(.chain(511, 40), block: 16, length: 96, sinks: 4), Shape(.chain(600, 3), block: 5, length: 65),
            Shape(.chain(400, 50), block: 240, length: 240, sinks: 1, isSplit: true),
            Shape(.chain(120, 30), block: 8, length: 24, sinks: 60),
            Shape(.chain(620, 9), block: 4, length: 340, sinks: 256),
            Shape(.tree(0), block: 2, length: 6), Shape(.tree(510), block: 4, length: 8, sinks: 2, isSplit: true),
            Shape(.tree(62), block: 16, length: 48, sinks: 4), Shape(.tree(90), block: 1, length: 3, rows: 48),
        ]
    }

    @Test("every kind of step", arguments: Shape.all)
    func steps(shape: Shape) throws {
        var source = RandomFloats(UInt64(shape.block * 100 + shape.length))
        let (heads, keyHeads, dimensions) = (4, 2, 16)
        let maps = shape.isSplit ? heads : keyHeads
        let features = DistantFeatures(
            block: shape.block, rows: shape.rows,
            queryMap: source.floats(heads * shape.rows * dimensions),
            keyMap: source.floats(maps * shape.rows * dimensions), gate: source.floats(heads * (dimensions + 2)))
        let model = try TestModel(TestModel.resource("llama3"), precision: .f32, maximumRows: 64) { model in
            model.contextLength = 700
            let window = Models.AttentionWindow(length: shape.length, sinks: shape.sinks, distant: features)
            model = try LinearizeAttention([0], as: .window(window)).apply(to: model).model
        }
        let entries = shape.step.committed + shape.step.parents.count
        let probe = try #require(AttentionProbe(model.plan, entries: entries, size: 2, &source))
        let expected = shape.step.parents.indices.map { row in
            HybridReferenceTests.attend(shape.step.path(to: row), probe, shape, features)
        }
        for (element, tolerance) in [(CacheElement.float32, 2e-5), (.float16, 4e-3)] {
            for threads in [1, 2] {
                let largest = try probe.largestError(
                    from: expected, threads: threads, cache: element, parents: shape.step.parents)
                #expect(largest < tolerance, "\(element), \(threads) threads")
            }
        }
    }

    /// What the last position of a path gets, for every query head.
    private static func attend(
        _ path: [Int], _ probe: AttentionProbe, _ shape: Shape, _ features: DistantFeatures
    ) -> [Double] {
        let queries = probe.queries[path[path.count - 1]]
        let keyHeads = probe.keys[0].count
        let scale = 1 / Double(queries[0].count).squareRoot()
        let first = max(0, ((path.count - 1) / shape.block + 1) * shape.block - shape.length)
        return queries.enumerated().flatMap { head, query -> [Double] in
            let keyHead = head * keyHeads / queries.count
            func isNear(_ position: Int) -> Bool { position >= first || position < shape.sinks }
            let scores = path.map { scale * dot(query, probe.keys[$0][keyHead]) }
            let largest = path.indices.filter(isNear).map { scores[$0] }.max() ?? 0
            let gate = features.gate[head * (query.count + 2)..<(head + 1) * (query.count + 2)].map { $0 }
            let exponent = Double(gate[0]) + Double(gate[1]) * largest + dot(Array(gate[2...]), query)
            let near = exp(max(-30, min(30, exponent)))
            let mapped = map(query, features.queryMap, head, rows: shape.rows)
            let keyMap = shape.isSplit ? head : keyHead
            var sums = [Double](repeating: 0, count: query.count)
            var total = 0.0
            for (position, entry) in path.enumerated() {
                let weight =
                    isNear(position)
                    ? near * exp(scores[position] - largest)
                    : zip(mapped, map(probe.keys[entry][keyHead], features.keyMap, keyMap, rows: shape.rows))
                        .reduce(0.0) { $0 + $1.0 * $1.1 }
                total += weight
                for (index, value) in probe.values[entry][keyHead].enumerated() {
                    sums[index] += weight * Double(value)
                }
            }
            return sums.map { $0 / total }
        }
    }

    private static func dot(_ x: [Float], _ y: [Float]) -> Double {
        zip(x, y).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
    }

    /// The softmax of W x, and that of -W x, for the W of one head among several.
    private static func map(_ x: [Float], _ maps: [Float], _ head: Int, rows: Int) -> [Double] {
        let logits = (0..<rows).map { row in
            let start = (head * rows + row) * x.count
            return dot(Array(maps[start..<start + x.count]), x)
        }
        return [1.0, -1.0].flatMap { sign -> [Double] in
            let powers = logits.map { exp(sign * $0) }
            let sum = powers.reduce(0, +)
            return powers.map { $0 / sum }
        }
    }
}
