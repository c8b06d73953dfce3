import Plans

@testable import Runtime

/// One attention of a program, run on queries, keys and values made up here.
struct AttentionProbe {
    let plan: Plan
    let attend: Instruction
    let state: StateIndex
    let queryHeads: Int
    private let (projected, rotary, output): (BufferIndex, BufferIndex, BufferIndex)
    /// By entry, head and dimension.
    let queries: [[[Float]]]
    let keys: [[[Float]]]
    let values: [[[Float]]]

    /// Nil where the program does not attend, or only with the weights of another one. Queries and keys are below `size`.
    init?(_ plan: Plan, entries: Int, size: Float, _ source: inout RandomFloats) {
        var found: (Instruction, StateIndex, Int, BufferIndex, BufferIndex, BufferIndex)?
        for instruction in plan.program.body where found == nil {
            switch instruction {
            case .attend(let each):
                found = (instruction, each.state, each.queryHeads, each.projected, each.rotary, each.output)
            case .attendGrouped(let each):
                found = (instruction, each.state, each.queryHeads, each.projected, each.rotary, each.output)
            default: break
            }
        }
        guard let found else { return nil }
        self.plan = plan
        (attend, state, queryHeads, projected, rotary, output) = found
        let shape = plan.program.states[state.value]
        func vectors(_ heads: Int, size: Float) -> [[[Float]]] {
            (0..<entries).map { _ in (0..<heads).map { _ in source.floats(shape.dimensions, size: size) } }
        }
        queries = vectors(queryHeads, size: size)
        keys = vectors(shape.heads, size: size)
        values = vectors(shape.heads, size: 1)
    }

    /// What the rows of a last step get whose parents are given; the entries before are committed in steps of several sizes.
    func outputs(threads: Int, cache: CacheElement, parents: [Int?]) throws -> [[Float]] {
        let session = try Engine(plan: plan, threads: threads).makeSession(cache: cache)
        let committed = queries.count - parents.count
        var (done, step) = (0, 0)
        while done < committed {
            let rows = done..<min(done + [1, 37, 64, 5][step % 4], committed)
            _ = run(session, rows, rows.indices.map { $0 == rows.lowerBound ? nil : $0 - rows.lowerBound - 1 })
            session.withCache(state) { $0.commit(Array(0..<rows.count), after: done) }
            (done, step) = (rows.upperBound, step + 1)
        }
        return run(session, committed..<queries.count, parents)
    }

    /// The largest difference of the outputs from those expected, by row of the last step.
    func largestError(
        from expected: [[Double]], threads: Int, cache: CacheElement, parents: [Int?]
    ) throws -> Double {
        zip(try outputs(threads: threads, cache: cache, parents: parents), expected).reduce(0.0) { largest, row in
            zip(row.0, row.1).reduce(largest) { max($0, abs(Double($1.0) - $1.1)) }
        }
    }

    private func run(_ session: Session, _ rows: Range<Int>, _ parents: [Int?]) -> [[Float]] {
        session.step = Step(
            committed: rows.lowerBound, rows: parents.map { Row(input: .token(0), position: 0, parent: $0) },
            groups: session.engine.groups)
        let dimensions = plan.program.states[state.value].dimensions
        let writer = Execution(session: session, thread: 0)
        for (row, entry) in rows.enumerated() {
            let values = (queries[entry] + keys[entry] + values[entry]).flatMap { $0 }
            writer.floats(projected, row: row).update(from: values, count: values.count)
            // An angle of zero: every thread may have its own table.
            for thread in 0..<session.engine.threadCount {
                let table = Execution(session: session, thread: thread).floats(rotary, row: row)
                for index in 0..<dimensions { table[index] = index < dimensions / 2 ? 1 : 0 }
            }
        }
        session.engine.pool.run { [attend] in Execution(session: session, thread: $0).run([attend]) }
        return parents.indices.map { row in
            let output = writer.floats(output, row: row)
            return (0..<queryHeads * dimensions).map { output[$0] }
        }
    }
}

/// The rows of a step behind a committed prefix, by their parents.
struct StepShape: Sendable {
    let committed: Int
    let parents: [Int?]

    static func chain(_ committed: Int, _ rows: Int) -> StepShape {
        StepShape(committed: committed, parents: (0..<rows).map { $0 == 0 ? nil : $0 - 1 })
    }

    /// Two branches of ten rows that take turns, and a fork.
    static func tree(_ committed: Int) -> StepShape {
        StepShape(committed: committed, parents: (0..<20).map { $0 < 2 ? nil : $0 - 2 } + [6, 20, nil])
    }

    /// Entries from the first one of the sequence down to a row.
    func path(to row: Int) -> [Int] {
        (parents[row].map { path(to: $0) } ?? Array(0..<committed)) + [committed + row]
    }
}
