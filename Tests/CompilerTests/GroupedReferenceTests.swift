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
        let committed: Int
        let parents: [Int?]
        let (group, taps): (Int, Int)
        let alpha: Float

        var testDescription: String {
            "\(committed) and \(parents.count) rows, groups of \(group), \(taps) taps, alpha \(alpha)"
        }

        init(_ committed: Int, _ parents: [Int?], group: Int, taps: Int, alpha: Float) {
            (self.committed, self.parents) = (committed, parents)
            (self.group, self.taps, self.alpha) = (group, taps, alpha)
        }

        static func chain(_ committed: Int, _ rows: Int, group: Int, taps: Int, alpha: Float) -> Shape {
            Shape(
                committed, (0..<rows).map { $0 == 0 ? nil : $0 - 1 }, group: group, taps: taps, alpha: alpha)
        }

        /// Two branches of ten rows that take turns, and a fork.
        private static let tree: [Int?] = (0..<20).map { $0 < 2 ? nil : $0 - 2 } + [6, 20, nil]

        static let all = [
            chain(0, 1, group: 64, taps: 32, alpha: 0.5), chain(0, 40, group: 16, taps: 9, alpha: 0.5),
            chain(63, 1, group: 64, taps: 32, alpha: -0.3), chain(64, 1, group: 64, taps: 0, alpha: 0.3),
            chain(65, 64, group: 64, taps: 32, alpha: 0.3), chain(500, 1, group: 64, taps: 1, alpha: 0.2),
            chain(130, 3, group: 5, taps: 64, alpha: 0.1), chain(511, 40, group: 208, taps: 32, alpha: 0.2),
            chain(300, 9, group: 1, taps: 3, alpha: 0.1), chain(250, 20, group: 64, taps: 32, alpha: 0),
            Shape(0, tree, group: 4, taps: 3, alpha: 0.5), Shape(510, tree, group: 8, taps: 32, alpha: 0.2),
            Shape(60, tree, group: 64, taps: 32, alpha: 0.4),
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
        let plan = model.plan
        let attends = plan.program.body.compactMap { instruction in
            if case .attendGrouped(let operands) = instruction { operands } else { nil }
        }
        let operands = try #require(attends.first)
        for (element, tolerance) in [(CacheElement.float32, 2e-5), (.float16, 4e-3)] {
            let state = plan.program.states[operands.state.value]
            let (heads, dimensions, queryHeads) = (state.heads, state.dimensions, operands.queryHeads)
            let entries = shape.committed + shape.parents.count
            let queries = (0..<entries).map { _ in (0..<queryHeads).map { _ in source.floats(dimensions, size: 3) } }
            let keys = (0..<entries).map { _ in (0..<heads).map { _ in source.floats(dimensions, size: 3) } }
            let values = (0..<entries).map { _ in (0..<heads).map { _ in source.floats(dimensions) } }
            for threads in [1, 2] {
                let engine = try Engine(plan: plan, threads: threads)
                let session = try engine.makeSession(cache: element)
                func run(_ rows: Range<Int>, _ parents: [Int?]) -> [[Float]] {
                    session.step = Step(
                        committed: rows.lowerBound,
                        rows: parents.map { Row(input: .token(0), position: 0, parent: $0) }, groupSizes: [shape.group])
                    let writer = Execution(session: session, thread: 0)
                    for (row, entry) in rows.enumerated() {
                        let projected = (queries[entry] + keys[entry] + values[entry]).flatMap { $0 }
                        writer.floats(operands.projected, row: row).update(from: projected, count: projected.count)
                        // An angle of zero: every thread may have its own table.
                        for thread in 0..<threads {
                            let table = Execution(session: session, thread: thread).floats(operands.rotary, row: row)
                            for index in 0..<dimensions { table[index] = index < dimensions / 2 ? 1 : 0 }
                        }
                    }
                    engine.pool.run { Execution(session: session, thread: $0).run([.attendGrouped(operands)]) }
                    return parents.indices.map { row in
                        let output = writer.floats(operands.output, row: row)
                        return (0..<queryHeads * dimensions).map { output[$0] }
                    }
                }
                // The committed part in steps of some rows.
                var done = 0
                for size in [1, 37, 64, 5].cycled where done < shape.committed {
                    let rows = done..<min(done + size, shape.committed)
                    _ = run(rows, rows.indices.map { $0 == rows.lowerBound ? nil : $0 - rows.lowerBound - 1 })
                    session.withCache(operands.state) { $0.commit(Array(0..<rows.count), after: done) }
                    done = rows.upperBound
                }
                let found = run(shape.committed..<entries, shape.parents)
                var largest = 0.0
                for row in shape.parents.indices {
                    let path = Array(0..<shape.committed) + shape.path(to: row).map { $0 + shape.committed }
                    let expected = GroupedReferenceTests.attend(
                        path, queries: queries[shape.committed + row], keys: keys, values: values, shape,
                        taps: taps)
                    for (value, other) in zip(found[row], expected) {
                        largest = max(largest, abs(Double(value) - other))
                    }
                }
                #expect(largest < tolerance, "\(element), \(threads) threads")
            }
        }
    }

    /// What the last position of a path gets, for every query head.
    private static func attend(
        _ path: [Int], queries: [[Float]], keys: [[[Float]]], values: [[[Float]]], _ shape: Shape, taps: [[Float]]
    ) -> [Double] {
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

extension GroupedReferenceTests.Shape {
    /// Rows down to one of them, itself included.
    func path(to row: Int) -> [Int] { (parents[row].map { path(to: $0) } ?? []) + [row] }
}

extension [Int] {
    /// The numbers over and over, often enough for any test here.
    fileprivate var cycled: [Int] { Array((0..<200).map { _ in self }.joined()) }
}
