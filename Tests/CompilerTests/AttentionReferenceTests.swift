import Foundation
import Lowering
import Plans
import Testing

@testable import Runtime

/// Attention as the textbook has it, in double precision, against `Execution.attend` on keys, values and queries made up
/// here.
@Suite("Attention against the formula")
struct AttentionReferenceTests {
    struct Shape: Sendable, CustomTestStringConvertible {
        let committed: Int
        let parents: [Int?]
        let window: AttentionWindow?
        var testDescription: String {
            let seen = window.map { "window of \($0.length), \($0.sinks) sinks" } ?? "all"
            return "\(committed) and \(parents.count) rows, \(seen)"
        }

        static func chain(_ count: Int, after committed: Int, window: AttentionWindow? = nil) -> Shape {
            Shape(committed: committed, parents: (0..<count).map { $0 == 0 ? nil : $0 - 1 }, window: window)
        }

        private static func window(_ length: Int, sinks: Int = 0) -> AttentionWindow {
            AttentionWindow(length: length, sinks: sinks)
        }

        static let all = [
            chain(1, after: 0), chain(1, after: 255), chain(1, after: 256), chain(1, after: 640), chain(5, after: 509),
            chain(30, after: 0), chain(30, after: 230), chain(30, after: 600),
            chain(30, after: 500, window: window(30)),
            chain(40, after: 300, window: window(290)), chain(3, after: 640, window: window(300)),
            chain(1, after: 640, window: window(30, sinks: 4)), chain(30, after: 240, window: window(30, sinks: 17)),
            chain(40, after: 0, window: window(5, sinks: 3)), chain(8, after: 2, window: window(3, sinks: 9)),
            chain(2, after: 641, window: window(1, sinks: 256)),
            Shape(committed: 250, parents: [nil, nil, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, nil, 2], window: nil),
            Shape(committed: 511, parents: [nil, 0, 0, 1, 2, 3, nil], window: window(258)),
            Shape(committed: 509, parents: [nil, 0, 0, 1, 2, 3, nil, 5], window: window(20, sinks: 6)),
            Shape(committed: 3, parents: [nil, nil, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9], window: window(2, sinks: 6)),
        ]
    }

    /// Errors that rounding to the element may cause; keys, values and queries are below 1.
    static let tolerances: [(CacheElement, Double)] = [(.float32, 1e-5), (.float16, 3e-3), (.int8, 5e-2)]

    @Test("every kind of step", arguments: Shape.all)
    func steps(shape: Shape) throws {
        let model = try TestModel(TestModel.resource("qwen3"), precision: .f32, maximumRows: 64) {
            $0.contextLength = 700
        }
        var program = model.plan.program
        let attends = program.body.indices.filter { if case .attend = program.body[$0] { true } else { false } }
        let attend = try #require(attends.first)
        guard case .attend(var operands) = program.body[attend] else { return }
        (operands.queryNorm, operands.keyNorm, operands.scale, operands.window) = (nil, nil, 0.5, shape.window)
        // How much the state holds follows from the window.
        program.body[attend] = .attend(operands)
        let plan = try Plan(program: program, weightsBytes: model.plan.weights.count) {
            $0.copyMemory(from: model.plan.weights)
        }
        let queryHeads = operands.queryHeads
        guard case .keysAndValues(let heads, let dimensions, _) = program.states[operands.state.value]
        else { return }
        var source = RandomFloats(UInt64(shape.committed + 1))
        let slots = shape.committed + shape.parents.count
        let keys = (0..<heads * slots).map { _ in source.floats(dimensions) }
        let values = (0..<heads * slots).map { _ in source.floats(dimensions) }
        let queries = shape.parents.map { _ in source.floats(queryHeads * dimensions, size: 4) }
        let expected = shape.parents.indices.map { row in
            AttentionReferenceTests.attend(
                queries[row], slots: shape.slots(seenBy: row), count: slots, heads: queryHeads, keyHeads: heads,
                keys: keys, values: values, scale: 0.5)
        }
        for threads in [1, 2] {
            let engine = try Engine(plan: plan, threads: threads)
            for (element, tolerance) in AttentionReferenceTests.tolerances {
                let session = try engine.makeSession(cache: element)
                session.step = Step(
                    committed: shape.committed,
                    rows: shape.parents.map { Row(input: .token(0), position: 0, parent: $0) })
                session.withCache(operands.state) { cache in
                    for entry in 0..<shape.committed {
                        for head in 0..<heads {
                            let index = head * slots + entry
                            cache.storeKeys(
                                keys[index], stride: dimensions, entries: entry..<entry + 1, head: head,
                                kernels: engine.kernels)
                            cache.storeValues(
                                values[index], stride: dimensions, entries: entry..<entry + 1, head: head,
                                kernels: engine.kernels)
                        }
                        cache.commit([0], after: entry)
                    }
                }
                let writer = Execution(session: session, thread: 0)
                for (row, query) in queries.enumerated() {
                    let slot = shape.committed + row
                    let projected =
                        query + (0..<heads).flatMap { keys[$0 * slots + slot] }
                        + (0..<heads).flatMap { values[$0 * slots + slot] }
                    writer.floats(operands.projected, row: row).update(from: projected, count: projected.count)
                    // An angle of zero: every thread may have its own table.
                    for thread in 0..<threads {
                        let table = Execution(session: session, thread: thread).floats(operands.rotary, row: row)
                        for index in 0..<dimensions { table[index] = index < dimensions / 2 ? 1 : 0 }
                    }
                }
                engine.pool.run { [operands] in Execution(session: session, thread: $0).run([.attend(operands)]) }
                var largest = 0.0
                for (row, expected) in expected.enumerated() {
                    let found = writer.floats(operands.output, row: row)
                    for (index, value) in expected.enumerated() {
                        largest = max(largest, abs(Double(found[index]) - value))
                    }
                }
                #expect(largest < tolerance, "\(element), \(threads) threads")
            }
        }
    }

    private static func attend(
        _ queries: [Float], slots: [Int], count: Int, heads: Int, keyHeads: Int, keys: [[Float]], values: [[Float]],
        scale: Double
    ) -> [Double] {
        let weights = weights(
            queries, slots: slots, count: count, heads: heads, keyHeads: keyHeads, keys: keys, scale: scale)
        return weigh(weights, slots: slots, count: count, keyHeads: keyHeads, values: values)
    }

    /// The softmax of every query head over `slots`; keys are `count` slots a key head.
    static func weights(
        _ queries: [Float], slots: [Int], count: Int, heads: Int, keyHeads: Int, keys: [[Float]], scale: Double
    ) -> [[Double]] {
        let dimensions = queries.count / heads
        return (0..<heads).map { head in
            let base = head * keyHeads / heads * count
            let scores = slots.map { slot in
                (0..<dimensions).reduce(0.0) {
                    $0 + scale * Double(queries[head * dimensions + $1]) * Double(keys[base + slot][$1])
                }
            }
            let largest = scores.max() ?? 0
            let weights = scores.map { exp($0 - largest) }
            let total = weights.reduce(0, +)
            return weights.map { $0 / total }
        }
    }

    /// Values weighted for every query head, one after the other.
    static func weigh(
        _ weights: [[Double]], slots: [Int], count: Int, keyHeads: Int, values: [[Float]]
    ) -> [Double] {
        weights.enumerated().flatMap { head, ofHead in
            let base = head * keyHeads / weights.count * count
            return values[base].indices.map { dimension in
                zip(ofHead, slots).reduce(0.0) { $0 + $1.0 * Double(values[base + $1.1][dimension]) }
            }
        }
    }
}

extension AttentionReferenceTests.Shape {
    /// Entries of the committed prefix, the row's ancestors and itself, as far as the window reaches.
    func slots(seenBy row: Int) -> [Int] {
        var ancestors: [Int] = []
        var next: Int? = row
        while let current = next {
            ancestors.append(committed + current)
            next = parents[current]
        }
        let all = Array(0..<committed) + ancestors.reversed()
        guard let window else { return all }
        return Array(all.dropLast(window.length).prefix(window.sinks)) + all.suffix(window.length)
    }
}

/// A deterministic source of floats (SplitMix64).
struct RandomFloats {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    /// Uniform in [-size, size).
    mutating func floats(_ count: Int, size: Float = 1) -> [Float] {
        (0..<count).map { _ in
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = state
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            return Float(Int32(truncatingIfNeeded: (z ^ (z >> 31)) >> 32)) * 0x1p-31 * size
        }
    }
}
