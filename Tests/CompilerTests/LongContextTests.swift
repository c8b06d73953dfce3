import Decoding
import Lowering
import Models
import Passes
import Plans
import Runtime
import Testing

/// A tiny model whose context and window were changed.
struct LongContextCase: Sendable, CustomTestStringConvertible {
    let name: String
    let precision: WeightPrecision
    let cache: CacheElement?
    let window: Models.AttentionWindow?
    /// Layers that use another's attention weights, in five layers that repeat the model's.
    var spans: [ShareAttention.Span] = []
    /// Of a step: few of them leave a window's state so small that the sequence outgrows it.
    var maximumRows = 600

    var testDescription: String {
        "\(name) \(precision) \(cache.map { "\($0)" } ?? "") window \(window?.length ?? 0), \(window?.sinks ?? 0) sinks, "
            + "sharing \(spans.count), \(maximumRows) rows"
    }

    func model() throws -> TestModel {
        try TestModel(TestModel.resource(name), precision: precision, maximumRows: maximumRows) { model in
            model.contextLength = 700
            for index in model.blocks.indices {
                switch model.blocks[index].mixer {
                case .attention(var attention):
                    attention.form = .softmax(scale: 0.25, window: window)
                    model.blocks[index].mixer = .attention(attention)
                case .sharedAttention: break
                }
            }
            guard !spans.isEmpty else { return }
            model.blocks = (0..<5).map { model.blocks[$0 % model.blocks.count] }
            model = try ShareAttention(spans).apply(to: model).model
        }
    }

    func session(
        _ model: TestModel, threads: Int? = nil, instructionSet: InstructionSet? = nil
    ) throws -> Session {
        try Engine(plan: model.plan, threads: threads, instructionSet: instructionSet).makeSession(cache: cache)
    }

    /// The same with room for the whole sequence.
    var unbounded: LongContextCase {
        var copy = self
        copy.maximumRows = 600
        return copy
    }

    private static func window(_ length: Int, sinks: Int = 0) -> Models.AttentionWindow {
        Models.AttentionWindow(length: length, sinks: sinks)
    }

    /// Where the state is a ring of 256 slots that the sequence goes around in.
    static let bounded = [
        LongContextCase(
            name: "quantized/model.gguf", precision: .keep, cache: nil, window: window(20), maximumRows: 40),
        LongContextCase(name: "llama3", precision: .f32, cache: nil, window: window(216, sinks: 4), maximumRows: 40),
        LongContextCase(name: "qwen3", precision: .w8, cache: .int8, window: window(3, sinks: 9), maximumRows: 40),
        LongContextCase(
            name: "llama3", precision: .keep, cache: nil, window: window(64, sinks: 130),
            spans: [ShareAttention.Span(1...2, headMaps: [1: [2, 0, 0, 3]]), ShareAttention.Span(4...4)],
            maximumRows: 40),
    ]

    static let all = [
        LongContextCase(name: "llama3", precision: .keep, cache: nil, window: nil),
        LongContextCase(name: "llama3", precision: .f32, cache: nil, window: window(300)),
        LongContextCase(name: "quantized/model.gguf", precision: .keep, cache: nil, window: window(20)),
        LongContextCase(name: "qwen3", precision: .keep, cache: .int8, window: nil),
        LongContextCase(name: "qwen3", precision: .f32, cache: .int8, window: window(300)),
        // Two receivers of one donor, and the last layer as a receiver.
        LongContextCase(
            name: "llama3", precision: .keep, cache: nil, window: nil,
            spans: [ShareAttention.Span(1...2, headMaps: [1: [2, 0, 0, 3]]), ShareAttention.Span(4...4)]),
        LongContextCase(
            name: "llama3", precision: .f32, cache: nil, window: window(300),
            spans: [ShareAttention.Span(2...3, headMaps: [3: [3, 2, 1, 0]])]),
        LongContextCase(
            name: "quantized/model.gguf", precision: .keep, cache: nil, window: window(20, sinks: 4),
            spans: [ShareAttention.Span(1...3)]),
        LongContextCase(
            name: "qwen3", precision: .w8, cache: .int8, window: nil,
            spans: [ShareAttention.Span(1...1, headMaps: [1: [1, 1]]), ShareAttention.Span(3...4)]),
        LongContextCase(name: "qwen3", precision: .f32, cache: .int8, window: window(20, sinks: 4)),
    ]
}

@Suite("The same bits where the context is longer than a segment of 256 positions")
struct LongContextTests {
    static let tokens: [UInt32] = (0..<600).map { (index: UInt32) in (index * 7919 + index / 7 + 13) % 256 }

    @Test(
        "steps of 1, 37, 256 and all rows, with one thread and two",
        arguments: LongContextCase.all + LongContextCase.bounded)
    func chunking(one: LongContextCase) throws {
        let model = try one.model()
        let tokens = LongContextTests.tokens
        let whole = try TestModel.logits(of: tokens, session: one.unbounded.session(one.unbounded.model()))
        for chunk in [37, 256] {
            let logits = try TestModel.logits(of: tokens, session: one.session(model), chunk: chunk)
            #expect(SameBitsTests.bits(logits) == SameBitsTests.bits(whole), "\(chunk)")
        }
        for threads in [1, 2] {
            let logits = try TestModel.logits(of: tokens, session: one.session(model, threads: threads), chunk: 1)
            #expect(SameBitsTests.bits(logits) == SameBitsTests.bits(whole), "\(threads)")
        }
    }

    @Test("the scalar kernels and every SIMD level of this machine", arguments: LongContextCase.all)
    func instructionSets(one: LongContextCase) throws {
        let model = try one.model()
        let tokens = Array(LongContextTests.tokens.prefix(530))
        let scalar = try TestModel.logits(of: tokens, session: one.session(model, instructionSet: .scalar))
        for instructionSet in InstructionSet.allCases where instructionSet != .scalar {
            guard let session = try? one.session(model, instructionSet: instructionSet) else { continue }
            let logits = try TestModel.logits(of: tokens, session: session)
            #expect(SameBitsTests.bits(logits) == SameBitsTests.bits(scalar), "\(instructionSet)")
        }
    }

    /// Two branches of ten rows that take turns, a fork in one of them, and a lonely root.
    private static let tree: [(token: UInt32, parent: Int?)] = {
        var tree: [(token: UInt32, parent: Int?)] = []
        for index in 0..<20 { tree.append((UInt32(index) * 11 + 3, index < 2 ? nil : index - 2)) }
        return tree + [(200, 6), (201, 20), (202, nil), (203, 21)]
    }()

    @Test(
        "trees whose branches cross from one segment into the next",
        arguments: LongContextCase.all + LongContextCase.bounded,
        [3, 250, 511, 512])
    func trees(one: LongContextCase, committed: Int) throws {
        let model = try one.model()
        let prefix = Array(LongContextTests.tokens.prefix(committed))
        var rows: [Row] = []
        var paths: [[Int]] = []
        for (index, (token, parent)) in LongContextTests.tree.enumerated() {
            paths.append((parent.map { paths[$0] } ?? []) + [index])
            rows.append(
                Row(input: .token(token), position: UInt32(committed + paths[index].count - 1), parent: parent))
        }
        // One by one: the longest branches, which hold all others but the lonely root.
        var expected = [[UInt32]](repeating: [], count: rows.count)
        for leaf in [18, 19, 22, 23] {
            let session = try one.session(model)
            _ = try TestModel.logits(of: prefix, session: session)
            let branch = paths[leaf].map { LongContextTests.tree[$0].token }
            let logits = try TestModel.logits(of: branch, session: session, chunk: 1)
            for (row, bits) in zip(paths[leaf], SameBitsTests.bits(logits)) { expected[row] = bits }
        }
        for threads in [1, 2] {
            let session = try one.session(model, threads: threads)
            _ = try TestModel.logits(of: prefix, session: session)
            try session.evaluate(rows)
            for index in rows.indices {
                let found = try session.logits(of: [index]).row(0).map { $0.map(\.bitPattern) }
                #expect(found == expected[index], "row \(index)")
            }
            // Committing a branch leaves exactly the state that its tokens would have left.
            try session.commit(paths[23])
            let continued = try TestModel.logits(of: [200, 201], session: session)
            let plain = try one.session(model)
            let branch = paths[23].map { LongContextTests.tree[$0].token }
            let sequence = try TestModel.logits(of: prefix + branch + [200, 201], session: plain)
            #expect(SameBitsTests.bits(continued) == Array(SameBitsTests.bits(sequence).suffix(2)))
        }
    }

    @Test("an int8 cache predicts nearly what an f16 cache does")
    func int8IsClose() throws {
        let one = LongContextCase(name: "qwen3", precision: .f32, cache: .int8, window: nil)
        let model = try one.model()
        let reference = try Engine(plan: model.plan).makeSession(cache: .float16)
        let session = try one.session(model)
        #expect(session.stateBytesPerPosition < reference.stateBytesPerPosition * 6 / 10)
        var divergence = Divergence()
        try divergence.score(LongContextTests.tokens, session: session, reference: reference)
        #expect(divergence.mean > 0)
        #expect(divergence.mean < 1e-3)
        #expect(divergence.topAgreement > 0.95)
        print("divergence of an int8 cache from an f16 one: \(divergence.mean), \(divergence.topAgreement)")
    }

    @Test("an int8 cache is refused by name where heads are not whole groups")
    func int8NeedsWholeGroups() throws {
        let model = try TestModel(TestModel.resource("llama3"), precision: .keep)
        let engine = try Engine(plan: model.plan)
        #expect(throws: RuntimeError.cacheElement(.int8, dimensions: 16)) {
            _ = try engine.makeSession(cache: .int8)
        }
        #expect(RuntimeError.cacheElement(.int8, dimensions: 16).exitCode == 69)
    }
}
