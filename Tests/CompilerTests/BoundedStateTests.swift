import Models
import Plans
import Runtime
import Testing

/// What a session keeps of a sequence where a window bounds it (`SameBitsTests` and `LongContextTests` test what it computes).
@Suite("States with a window")
struct BoundedStateTests {
    /// A window of 20 and 4 sinks in both layers, steps of at most 40 rows: 256 slots and the sinks.
    private static func model(layers: Range<Int> = 0..<2) throws -> TestModel {
        try TestModel(TestModel.resource("llama3"), precision: .f32, maximumRows: 40) { model in
            model.contextLength = 2000
            for index in layers {
                guard case .attention(var attention) = model.blocks[index].mixer else { continue }
                attention.form = .softmax(scale: 0.25, window: AttentionWindow(length: 20, sinks: 4))
                model.blocks[index].mixer = .attention(attention)
            }
        }
    }

    @Test("the state does not grow with the context")
    func constantBytes() throws {
        let engine = try Engine(plan: BoundedStateTests.model().plan)
        let (short, long) = (try engine.makeSession(contextLength: 500), try engine.makeSession(contextLength: 2000))
        #expect(short.stateBytesPerPosition == 0 && long.stateBytesPerPosition == 0)
        // Two layers of two heads of 16 dimensions: keys and values in float32, of 256 slots and a tile for the sinks.
        #expect(long.constantStateBytes == 2 * 2 * 2 * 16 * 4 * 272)
        #expect(short.constantStateBytes == long.constantStateBytes)
        // A layer without a window grows, and a context that is shorter than the ring has a slot for every position.
        let mixed = try Engine(plan: BoundedStateTests.model(layers: 0..<1).plan).makeSession()
        #expect(mixed.stateBytesPerPosition == 2 * 2 * 16 * 4)
        #expect(mixed.constantStateBytes == long.constantStateBytes / 2)
        let small = try engine.makeSession(contextLength: 100)
        #expect(small.constantStateBytes == 0 && small.stateBytesPerPosition == 2 * 2 * 2 * 16 * 4)
    }

    @Test("a sequence goes back as far as its state reaches, and no further")
    func truncation() throws {
        let session = try Engine(plan: BoundedStateTests.model().plan).makeSession()
        let tokens = Array(LongContextTests.tokens.prefix(400))
        let whole = SameBitsTests.bits(try TestModel.logits(of: tokens, session: session, chunk: 40))
        // 256 slots end with position 399: the first one kept is 144, the first one of the window behind 163.
        #expect(throws: RuntimeError.forgotten(length: 162)) { try session.truncate(to: 162) }
        #expect(throws: RuntimeError.forgotten(length: 3)) { try session.truncate(to: 3) }
        #expect(session.committed == 400)
        try session.truncate(to: 163)
        let again = SameBitsTests.bits(try TestModel.logits(of: Array(tokens[163...]), session: session, chunk: 7))
        #expect(again == Array(whole[163...]))
        #expect(RuntimeError.forgotten(length: 3).exitCode == 1)
    }

    @Test("a sequence that is begun again has none of the old one's sinks")
    func reset() throws {
        let session = try Engine(plan: BoundedStateTests.model().plan).makeSession()
        _ = try TestModel.logits(of: (0..<300).map { ($0 * 31 + 5) % 256 }, session: session)
        session.reset()
        let tokens = Array(LongContextTests.tokens.prefix(60))
        let again = try TestModel.logits(of: tokens, session: session, chunk: 9)
        let alone = try TestModel.logits(of: tokens, session: session.engine.makeSession(), chunk: 40)
        #expect(SameBitsTests.bits(again) == SameBitsTests.bits(alone))
        try session.truncate(to: 0)
        #expect(session.committed == 0)
    }

    @Test("rows that are rejected leave a ring as it was")
    func rejection() throws {
        let session = try Engine(plan: BoundedStateTests.model().plan).makeSession()
        let tokens = Array(LongContextTests.tokens.prefix(330))
        var found: [[UInt32]] = []
        // Steps of 40 rows of which a few are kept go across the ring's end several times.
        while session.committed < 300 {
            let rest = Array(tokens[session.committed...].prefix(40))
            let rows = Row.chain(rest.prefix(7) + rest.dropFirst(7).map { ($0 + 1) % 256 }, after: session.committed)
            try session.evaluate(rows)
            for row in 0..<7 { found.append(try session.logits(of: [row]).row(0).map { $0.map(\.bitPattern) } ?? []) }
            try session.commit(Array(0..<7))
        }
        let alone = try TestModel.logits(of: tokens, session: session.engine.makeSession(), chunk: 33)
        #expect(found == Array(SameBitsTests.bits(alone).prefix(found.count)))
    }
}
