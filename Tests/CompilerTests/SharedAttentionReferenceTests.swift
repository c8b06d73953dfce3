import Lowering
import Passes
import Plans
import Testing

@testable import Runtime

/// A donor and its receiver as the formula has them, in double precision, on queries, keys and values made up here.
@Suite("Shared attention against the formula")
struct SharedAttentionReferenceTests {
    private typealias Reference = AttentionReferenceTests

    /// Four query heads of two heads of keys and of values.
    static let maps = [[0, 1, 2, 3], [3, 1, 0, 2], [2, 2, 2, 1]]

    @Test("every kind of step and of head map", arguments: AttentionReferenceTests.Shape.all, maps)
    func steps(shape: AttentionReferenceTests.Shape, map: [Int]) throws {
        let model = try TestModel(TestModel.resource("llama3"), precision: .f32, maximumRows: 64) { model in
            model.contextLength = 700
            model = try ShareAttention([ShareAttention.Span(1...1, headMaps: [1: map])]).apply(to: model).model
        }
        var program = model.plan.program
        let donors = program.body.indices.filter { if case .attend = program.body[$0] { true } else { false } }
        let donorIndex = try #require(donors.first)
        guard case .attend(var donor) = program.body[donorIndex] else { return }
        (donor.scale, donor.window) = (0.5, shape.window)
        program.body[donorIndex] = .attend(donor)
        let receivers = program.body.compactMap { if case .attendShared(let operands) = $0 { operands } else { nil } }
        let receiver = try #require(receivers.first)
        #expect(receivers.count == 1 && receiver.headMap == map)
        let state = program.states[donor.state.value]
        let (heads, dimensions) = (state.heads, state.dimensions)
        var source = RandomFloats(UInt64(shape.committed + map[0] * 1000 + 1))
        let slots = shape.committed + shape.parents.count
        let keys = (0..<heads * slots).map { _ in source.floats(dimensions) }
        let ownValues = (0..<heads * slots).map { _ in source.floats(dimensions) }
        let values = (0..<heads * slots).map { _ in source.floats(dimensions) }
        let queries = shape.parents.map { _ in source.floats(map.count * dimensions, size: 4) }
        // A window is part of the donor's operands, so the engine must know them.
        let plan = try Plan(program: program, weightsBytes: model.plan.weights.count) {
            $0.copyMemory(from: model.plan.weights)
        }
        for threads in [1, 2] {
            let engine = try Engine(plan: plan, threads: threads)
            let session = try engine.makeSession()
            session.step = Step(
                committed: shape.committed,
                rows: shape.parents.map { Row(input: .token(0), position: 0, parent: $0) })
            func store(_ keys: [[Float]]?, _ values: [[Float]], in state: StateIndex) {
                session.withCache(state) { cache in
                    for entry in 0..<shape.committed {
                        for head in 0..<heads {
                            let (index, entries) = (head * slots + entry, entry..<entry + 1)
                            if let keys {
                                cache.storeKeys(
                                    keys[index], stride: dimensions, entries: entries, head: head,
                                    kernels: engine.kernels)
                            }
                            cache.storeValues(
                                values[index], stride: dimensions, entries: entries, head: head, kernels: engine.kernels
                            )
                        }
                        cache.commit([0], after: entry)
                    }
                }
            }
            store(keys, ownValues, in: donor.state)
            store(nil, values, in: receiver.state)
            func write(_ parts: [[Float]], to buffer: BufferIndex) {
                for (row, part) in parts.enumerated() {
                    Execution(session: session, thread: 0).floats(buffer, row: row).update(
                        from: part, count: part.count)
                }
            }
            func ofRow(_ values: [[Float]], _ row: Int) -> [Float] {
                (0..<heads).flatMap { values[$0 * slots + shape.committed + row] }
            }
            write(
                queries.indices.map { queries[$0] + ofRow(keys, $0) + ofRow(ownValues, $0) }, to: donor.projected)
            // An angle of zero: every thread may have its own table.
            for row in shape.parents.indices {
                for thread in 0..<threads {
                    let table = Execution(session: session, thread: thread).floats(donor.rotary, row: row)
                    for index in 0..<dimensions { table[index] = index < dimensions / 2 ? 1 : 0 }
                }
            }
            engine.pool.run { [donor] in Execution(session: session, thread: $0).run([.attend(donor)]) }
            // Its projection may lie where the donor's was.
            write(queries.indices.map { ofRow(values, $0) }, to: receiver.projected)
            engine.pool.run { Execution(session: session, thread: $0).run([.attendShared(receiver)]) }
            var largest = 0.0
            for row in shape.parents.indices {
                let seen = shape.slots(seenBy: row)
                let weights = Reference.weights(
                    queries[row], slots: seen, count: slots, heads: map.count, keyHeads: heads, keys: keys, scale: 0.5)
                let expected = Reference.weigh(
                    map.map { weights[$0] }, slots: seen, count: slots, keyHeads: heads, values: values)
                let found = Execution(session: session, thread: 0).floats(receiver.output, row: row)
                for (index, value) in expected.enumerated() {
                    largest = max(largest, abs(Double(found[index]) - value))
                }
            }
            #expect(largest < 1e-5, "\(threads) threads")
        }
    }
}
