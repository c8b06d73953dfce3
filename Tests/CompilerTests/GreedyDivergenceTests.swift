import Decoding
import Foundation
import Lowering
import Plans
import Runtime
import Testing

@Suite("The length until greedy texts diverge")
struct GreedyDivergenceTests {
    private static let limit = 40
    /// Five prompts of 20 tokens and one of a single token.
    private static let prompts: [[UInt32]] =
        [5, 62, 119, 176, 233].map { first in
            (0..<20).map { UInt32(($0 * 31 + first) % 256) }
        } + [[34]]

    /// The greedy text as `lathe run --ignore-eos` makes it.
    private func generated(_ prompt: [UInt32], by session: Session) throws -> [UInt32] {
        let compiled = try TestTokenizer(TestModel.resource("llama"))
        var generation = Generation(session: session, sampling: .greedy)
        try generation.prefill(prompt)
        var text: [UInt32] = []
        _ = try generation.generate(
            limit: GreedyDivergenceTests.limit, tokenizer: compiled.tokenizer, ignoresEnd: true
        ) {
            text.append($0)
            return true
        }
        return text
    }

    @Test("equal plans never diverge, however they cut their steps")
    func equalPlans() throws {
        let resource = TestModel.resource("quantized/model.gguf")
        let reference = try Engine(plan: try TestModel(resource, precision: .keep).plan).makeSession()
        for maximumRows in [1, 7, 128] {
            let model = try TestModel(resource, precision: .keep, maximumRows: maximumRows)
            let session = try Engine(plan: model.plan).makeSession()
            var divergence = GreedyDivergence(limit: GreedyDivergenceTests.limit)
            for prompt in GreedyDivergenceTests.prompts {
                try divergence.score(prompt, session: session, reference: reference)
                try divergence.score(prompt, session: reference, reference: session)
            }
            #expect(divergence.prefixes == Array(repeating: GreedyDivergenceTests.limit, count: 12))
            #expect(divergence.neverDiverged == 12)
        }
    }

    @Test(
        "other weights diverge where the texts that both generate do",
        arguments: [
            ("llama3/model.gguf", WeightPrecision.w4), ("quantized/model.gguf", .w4), ("qwen3/model.gguf", .w8),
        ])
    func otherWeights(resource: String, precision: WeightPrecision) throws {
        let exact = try TestModel(TestModel.resource(resource), precision: .f32)
        let reference = try Engine(plan: exact.plan).makeSession()
        for maximumRows in [1, 7, 128] {
            let rounded = try TestModel(
                TestModel.resource(resource), precision: precision, maximumRows: maximumRows)
            let session = try Engine(plan: rounded.plan).makeSession()
            var divergence = GreedyDivergence(limit: GreedyDivergenceTests.limit)
            var expected: [Int] = []
            for prompt in GreedyDivergenceTests.prompts {
                try divergence.score(prompt, session: session, reference: reference)
                let texts = (
                    try generated(prompt, by: try Engine(plan: rounded.plan).makeSession()),
                    try generated(prompt, by: try Engine(plan: exact.plan).makeSession())
                )
                expected.append(zip(texts.0, texts.1).prefix { $0 == $1 }.count)
            }
            #expect(divergence.prefixes == expected)
            #expect(expected.contains { $0 > 0 && $0 < GreedyDivergenceTests.limit }, "\(expected)")
        }
    }

    @Test("another element of the cache diverges where the generated texts do")
    func otherCache() throws {
        let model = try TestModel(TestModel.resource("qwen3/model.gguf"), precision: .keep, maximumRows: 16)
        let engine = try Engine(plan: model.plan)
        var divergence = GreedyDivergence(limit: GreedyDivergenceTests.limit)
        var expected: [Int] = []
        for prompt in GreedyDivergenceTests.prompts {
            try divergence.score(
                prompt, session: try engine.makeSession(cache: .int8), reference: try engine.makeSession())
            let texts = (
                try generated(prompt, by: try engine.makeSession(cache: .int8)),
                try generated(prompt, by: try engine.makeSession())
            )
            expected.append(zip(texts.0, texts.1).prefix { $0 == $1 }.count)
        }
        #expect(divergence.prefixes == expected)
    }

    @Test("a session that is just large enough is enough; a smaller one and an empty prompt are refused")
    func limits() throws {
        let model = try TestModel(TestModel.resource("llama3"), precision: .keep)
        let engine = try Engine(plan: model.plan)
        let prompt = GreedyDivergenceTests.prompts[0]
        let (enough, small) = (prompt.count + 9, prompt.count + 8)
        var divergence = GreedyDivergence(limit: 10)
        let (first, second) = (
            try engine.makeSession(contextLength: enough), try engine.makeSession(contextLength: enough)
        )
        try divergence.score(prompt, session: first, reference: second)
        #expect(divergence.prefixes == [10])
        let full = RuntimeError.contextFull(capacity: small)
        #expect(throws: full) {
            try divergence.score(
                prompt, session: first, reference: try engine.makeSession(contextLength: small))
        }
        #expect(throws: full) {
            try divergence.score(
                prompt, session: try engine.makeSession(contextLength: small), reference: first)
        }
        #expect(throws: RuntimeError.self) { try divergence.score([], session: first, reference: second) }
        #expect(divergence.prefixes == [10])
    }
}
