import Checkpoints
import Compiler
import Foundation
import Lowering
import Models
import Passes
import Plans
import Runtime
import Testing

@Suite("Layers that use the attention weights of another")
struct SharedAttentionTests {
    private static let tokens = Array(LongContextTests.tokens.prefix(300))

    private static func model(_ name: String) throws -> Model {
        try Model(try Checkpoint.open(TestModel.resource(name)))
    }

    @Test("no span leaves the program as it is")
    func noSpan() throws {
        let model = try SharedAttentionTests.model("llama3")
        let shared = try ShareAttention([]).apply(to: model).model
        let lowering = ModelLowering(precision: .keep)
        #expect(try lowering.lower(shared).program == lowering.lower(model).program)
    }

    /// A model whose second layer reads what the first one read, with the queries and keys of the first one.
    private static func equalReceiver(_ name: String, _ precision: WeightPrecision, shares: Bool) throws -> TestModel {
        try TestModel(TestModel.resource(name), precision: precision, maximumRows: 300) { model in
            model.contextLength = 400
            guard case .attention(var first) = model.blocks[0].mixer,
                case .attention(var second) = model.blocks[1].mixer,
                case .gated(let gate, let up, var down) = model.blocks[0].feedForward
            else { return }
            (second.query, second.key) = (first.query, first.key)
            (second.queryNorm, second.keyNorm) = (first.queryNorm, first.keyNorm)
            model.blocks[1].mixerNorm = model.blocks[0].mixerNorm
            model.blocks[1].mixer = .attention(second)
            // The first one adds nothing to the residual stream.
            first.output.weight.transforms.append(.columnsScaled(by: zeros(first.output.weight.columns)))
            first.output.bias = nil
            down.weight.transforms.append(.columnsScaled(by: zeros(down.weight.columns)))
            down.bias = nil
            model.blocks[0].mixer = .attention(first)
            model.blocks[0].feedForward = .gated(gate: gate, up: up, down: down)
            model.blocks.append(model.blocks[1])
            if shares { model = try ShareAttention([ShareAttention.Span(1...1)]).apply(to: model).model }
        }
    }

    private static func zeros(_ count: Int) -> [Float] { Array(repeating: 0, count: count) }

    @Test("a receiver equal to its donor gives the dense bits", arguments: WeightPrecision.allCases)
    func equalToDonor(precision: WeightPrecision) throws {
        for name in ["llama3", "mistral", "qwen3", "quantized/model.gguf"] {
            let dense = try SharedAttentionTests.equalReceiver(name, precision, shares: false)
            let shared = try SharedAttentionTests.equalReceiver(name, precision, shares: true)
            #expect(shared.plan.program.donors.map { $0 != nil } == [true, false, false])
            let elements: [CacheElement] = name == "qwen3" ? [.float16, .float32, .int8] : [.float16, .float32]
            for cache in elements {
                let expected = try Engine(plan: dense.plan).makeSession(cache: cache)
                let found = try Engine(plan: shared.plan).makeSession(cache: cache)
                let (one, other) = (
                    try TestModel.logits(of: SharedAttentionTests.tokens, session: expected),
                    try TestModel.logits(of: SharedAttentionTests.tokens, session: found)
                )
                #expect(SameBitsTests.bits(one) == SameBitsTests.bits(other), "\(name) \(cache)")
                // One layer of three has lost its keys.
                func bytes(_ session: Session) -> Int { session.stateBytesPerPosition + session.constantStateBytes }
                let saved = bytes(expected) - bytes(found)
                #expect(saved * 5 < bytes(expected) && saved * 7 > bytes(expected))
            }
        }
    }

    @Test("another head map than the donor's own gives something else")
    func headMapMatters() throws {
        func logits(_ maps: [Int: [Int]]) throws -> [[UInt32]] {
            let model = try TestModel(TestModel.resource("llama3"), precision: .f32) { model in
                model = try ShareAttention([ShareAttention.Span(1...1, headMaps: maps)]).apply(to: model).model
            }
            return SameBitsTests.bits(try model.logits(of: SameBitsTests.tokens))
        }
        let own = try logits([:])
        #expect(try logits([1: [0, 1, 2, 3]]) == own)
        #expect(try logits([1: [1, 0, 2, 3]]) != own)
        #expect(try logits([1: [0, 1, 2, 2]]) != own)
    }

    @Test("values alone, token by token, are what a whole prompt computes anew, and nothing of a rejected step is left")
    func rollback() throws {
        let model = try LongContextCase.all[5].model()
        let tokens = Array(LongContextTests.tokens.prefix(290))
        let whole = SameBitsTests.bits(try model.logits(of: tokens))
        let session = try Engine(plan: model.plan).makeSession()
        let prefix = try TestModel.logits(of: Array(tokens[..<260]), session: session, chunk: 1)
        #expect(SameBitsTests.bits(prefix) == Array(whole[..<260]))
        try session.evaluate(Row.chain([1, 2, 3, 4, 5], after: session.committed))
        try session.truncate(to: 250)
        let again = try TestModel.logits(of: Array(tokens[250...]), session: session, chunk: 3)
        #expect(SameBitsTests.bits(again) == Array(whole[250...]))
    }

    @Test("weights are kept for the rows of a step, the donor's heads and the context, and only where they are shared")
    func keptMemory() throws {
        let dense = try TestModel(TestModel.resource("llama3"), precision: .f32)
        #expect(try Engine(plan: dense.plan).makeSession().keptWeightBytes == 0)
        let model = try TestModel(TestModel.resource("llama3"), precision: .f32, maximumRows: 32) { model in
            model.contextLength = 700
            model = try ShareAttention([ShareAttention.Span(1...1)]).apply(to: model).model
        }
        let engine = try Engine(plan: model.plan)
        // 32 rows, 4 heads, 3 or 1 segments of 256 positions.
        #expect(try engine.makeSession().keptWeightBytes == 32 * 4 * 3 * 258 * 4)
        #expect(try engine.makeSession(contextLength: 200).keptWeightBytes == 32 * 4 * 258 * 4)
    }

    @Test(
        "what a receiver's queries and keys hold in the checkpoint changes nothing",
        arguments: [WeightPrecision.keep, .f32])
    func unusedTensors(precision: WeightPrecision) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "lathe-test-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.copyItem(atPath: TestModel.resource("llama"), toPath: folder)
        try FileManager.default.removeItem(atPath: folder + "/model.gguf")
        func plan(_ spans: [ShareAttention.Span]) throws -> [UInt8] {
            _ = try Compilation(
                source: folder, destination: folder + "/x.plan",
                options: CompileOptions(
                    precision: precision, sharing: SharingOptions(choice: .spans(spans), method: .plain))
            ).run()
            return [UInt8](try Data(contentsOf: URL(filePath: folder + "/x.plan")))
        }
        let (shared, dense) = (try plan([ShareAttention.Span(1...1)]), try plan([]))
        try SharedAttentionTests.zero(
            ["model.layers.1.self_attn.q_proj.weight", "model.layers.1.self_attn.k_proj.weight"],
            in: folder + "/model.safetensors")
        #expect(try plan([ShareAttention.Span(1...1)]) == shared)
        #expect(try plan([]) != dense)
    }

    /// Zeroes tensors of a safetensors file.
    private static func zero(_ names: [String], in path: String) throws {
        var bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
        let length = (0..<8).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
        let header = try #require(
            try JSONSerialization.jsonObject(with: Data(bytes[8..<8 + length])) as? [String: Any])
        for name in names {
            let tensor = try #require(header[name] as? [String: Any])
            let offsets = try #require(tensor["data_offsets"] as? [Int])
            for offset in offsets[0]..<offsets[1] { bytes[8 + length + offset] = 0 }
        }
        try Data(bytes).write(to: URL(filePath: path))
    }
}
