import Foundation
import Lowering
import Models
import Passes
import Plans
import Testing

@testable import Runtime

/// Grouped linear attention in its quadratic form (You et al. 2024), in double precision, against what the engine makes of
/// keys, values and queries made up here, step after step.
@Suite("Grouped linear attention against the formula")
struct GroupedReferenceTests {
    struct Shape: Sendable, CustomTestStringConvertible {
        let step: StepShape
        let (group, taps): (Int, Int)
        let alpha: Float

        var testDescription: String {
            "\(step.committed) and \(step.parents.count) rows, groups of \(group), \(taps) taps, alpha \(alpha)"
        }

        init(_ step: StepShape, group: Int, taps: Int, alpha: Float) {
            (self.step, self.group, self.taps, self.alpha) = (step, group, taps, alpha)
        }

        static let all = [
            Shape(.chain(0, 1), group: 64, taps: 32, alpha: 0.5), Shape(.chain(0, 40), group: 16, taps: 9, alpha: 0.5),
            Shape(.chain(63, 1), group: 64, taps: 32, alpha: -0.3),
            Shape(.chain(64, 1), group: 64, taps: 0, alpha: 0.3),
            Shape(.chain(65, 64), group: 64, taps: 32, alpha: 0.3),
            Shape(.chain(500, 1), group: 64, taps: 1, alpha: 0.2),
            Shape(.chain(130, 3), group: 5, taps: 64, alpha: 0.1),
            Shape(.chain(511, 40), group: 208, taps: 32, alpha: 0.2),
            Shape(.chain(300, 9), group: 1, taps: 3, alpha: 0.1),
            Shape(.chain(250, 20), group: 64, taps: 32, alpha: 0),
            Shape(.tree(0), group: 4, taps: 3, alpha: 0.5), Shape(.tree(510), group: 8, taps: 32, alpha: 0.2),
            Shape(.tree(60), group: 64, taps: 32, alpha: 0.4),
        ]
    }

    @Test("every kind of step", arguments: Shape.all)
    func steps(shape: Shape) throws {
        var source = RandomFloats(UInt64(shape.group * 100 + shape.taps))
        var taps: [[Float]] = []
        let model = try TestModel(TestModel.resource("llama3"), precision: .f32, maximumRows: 64) { model in
            model.contextLength = 700
            if shape.taps > 0 { taps = (0..<4).map { _ in source.floats(shape.taps) } }
            let form = Models.GroupedAttention(group: shape.group, alpha: shape.alpha, taps: taps)
            model = try LinearizeAttention([0], as: .grouped(form)).apply(to: model).model
        }
        let entries = shape.step.committed + shape.step.parents.count
        let probe = try #require(AttentionProbe(model.plan, entries: entries, size: 3, &source))
        let expected = shape.step.parents.indices.map { row in
            GroupedReferenceTests.attend(shape.step.path(to: row), probe, shape, taps: taps)
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
        _ path: [Int], _ probe: AttentionProbe, _ shape: Shape, taps: [[Float]]
    ) -> [Double] {
        let (queries, keys, values) = (probe.queries[path[path.count - 1]], probe.keys, probe.values)
        func unit(_ x: [Float]) -> [Double] {
            let length = x.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
            return x.map { Double($0) / length }
        }
        let last = path.count - 1
        return queries.enumerated().flatMap { head, query -> [Double] in
            let keyHead = head * keys[0].count / queries.count
            let query = unit(query)
            var sums = [Double](repeating: 0, count: query.count)
            for (position, entry) in path.enumerated() {
                let product = zip(query, unit(keys[entry][keyHead])).reduce(0.0) { $0 + $1.0 * $1.1 }
                let isNear = position / shape.group == last / shape.group
                var weight = isNear ? max(0, product) * max(0, product) : Double(shape.alpha) * product
                if last - position < shape.taps {
                    weight += Double(taps[head][shape.taps - 1 - (last - position)])
                }
                for (index, value) in values[entry][keyHead].enumerated() { sums[index] += weight * Double(value) }
            }
            return sums
        }
    }
}
