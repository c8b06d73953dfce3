import Decoding
import Foundation
import Lowering
import Models
import Passes
import Plans
import Runtime
import Testing

/// A tiny model of each kind of attention, and where its sequences begin.
struct DraftedCase: Sendable, CustomTestStringConvertible {
    enum Attention: Sendable {
        case softmax(LongContextCase)
        case grouped(Models.GroupedAttention)
    }

    let attention: Attention
    let promptLength: Int

    var testDescription: String {
        switch attention {
        case .softmax(let one): one.testDescription + ", \(promptLength) before"
        case .grouped(let form): "groups of \(form.group), \(promptLength) before"
        }
    }

    func session(threads: Int) throws -> Session {
        switch attention {
        case .softmax(let one): return try one.session(one.model(), threads: threads)
        case .grouped(let form):
            let model = try TestModel(TestModel.resource("llama3"), precision: .f32, maximumRows: 40) { model in
                model.contextLength = 700
                model = try LinearizeAttention([0, 1], as: .grouped(form)).apply(to: model).model
            }
            return try Engine(plan: model.plan, threads: threads).makeSession()
        }
    }

    static let all =
        (LongContextCase.all + LongContextCase.bounded).map { DraftedCase(attention: .softmax($0), promptLength: 240) }
        + [
            DraftedCase(
                attention: .grouped(
                    Models.GroupedAttention(group: 8, alpha: 0.3, taps: (0..<4).map { _ in [0.5, 0.2, -0.1] })),
                promptLength: 30)
        ]
}

@Suite("Drafting changes no token and no bit")
struct DraftedGenerationTests {
    /// What a generation left.
    private struct Result: Equatable {
        var tokens: [UInt32] = []
        var finish = Finish.length
        var digest: LogitsDigest?
        var committed = 0
        /// Of what the session says behind it.
        var after: [[UInt32]] = []
    }

    private let tokenizer: TestTokenizer

    init() throws {
        tokenizer = try TestTokenizer(TestModel.resource("llama"))
    }

    /// Continues a prompt and then evaluates two more tokens.
    private func generate(
        _ prompt: [UInt32], limit: Int?, session: Session, drafter: some Drafter, sampling: SamplingOptions = .greedy,
        digests: Bool = true, ignoresEnd: Bool = true, until stop: Int = Int.max
    ) throws -> (result: Result, statistics: DraftStatistics) {
        session.reset()
        var generation = Generation(session: session, sampling: sampling, drafter: drafter, digestsLogits: digests)
        try generation.prefill(prompt)
        var result = Result()
        result.finish = try generation.generate(limit: limit, tokenizer: tokenizer.tokenizer, ignoresEnd: ignoresEnd) {
            result.tokens.append($0)
            return result.tokens.count < stop
        }
        (result.digest, result.committed) = (generation.digest, session.committed)
        if session.capacity >= session.committed + 2 {
            result.after = SameBitsTests.bits(try TestModel.logits(of: [3, 250], session: session))
        }
        return (result, generation.statistics)
    }

    private static func prompt(_ length: Int) -> [UInt32] { Array(LongContextTests.tokens.prefix(length)) }

    /// Drafters of this package, as they come and as often as they may.
    private static func drafters(_ session: Session) -> [any Drafter] {
        let mean = MaskSource.mean(MeanEmbedding(engine: session.engine))
        return [
            TreeDrafter(looksUp: true, weighsCosts: false, maximumRows: 32),
            TreeDrafter(recycles: true, weighsCosts: false, maximumRows: 32),
            TreeDrafter(looksUp: true, recycles: true, maximumRows: 32),
            TreeDrafter(recycles: true, masks: .token(77), weighsCosts: false, maximumRows: 32),
            TreeDrafter(masks: mean, weighsCosts: false, maximumRows: 32), TreeDrafter(masks: mean, maximumRows: 32),
        ]
    }

    @Test("guesses that are right and wrong, chains and trees, for every kind of attention", arguments: DraftedCase.all)
    func everyMixer(one: DraftedCase) throws {
        let prompt = DraftedGenerationTests.prompt(one.promptLength)
        for threads in [1, 2] {
            let session = try one.session(threads: threads)
            for limit in [1, 7, 40] {
                let plain = try generate(prompt, limit: limit, session: session, drafter: NoDrafter()).result
                #expect(plain.tokens.count == limit && plain.committed == prompt.count + limit - 1)
                for kind in KnownTextDrafter.Kind.allCases {
                    let drafter = KnownTextDrafter(kind, text: prompt + plain.tokens, session: session)
                    let (found, statistics) = try generate(prompt, limit: limit, session: session, drafter: drafter)
                    #expect(found == plain, "\(kind), \(limit) tokens, \(threads) threads")
                    guard limit == 40 else { continue }
                    #expect(statistics.tokens == 39)
                    switch kind {
                    case .right, .amongMasks:
                        #expect(statistics.steps == 3 && statistics.accepted == statistics.drafted)
                    case .wrong: #expect(statistics.steps == 39 && statistics.accepted == 0)
                    case .partly: #expect((10..<39).contains(statistics.steps))
                    case .amongWrong: #expect((7..<20).contains(statistics.steps))
                    }
                }
            }
            let plain = try generate(prompt, limit: 40, session: session, drafter: NoDrafter()).result
            for drafter in DraftedGenerationTests.drafters(session) {
                #expect(try generate(prompt, limit: 40, session: session, drafter: drafter).result == plain)
            }
        }
    }

    @Test("what was right is counted, place by place")
    func statistics() throws {
        let model = try TestModel(TestModel.resource("llama3"), precision: .keep) { $0.contextLength = 700 }
        let session = try Engine(plan: model.plan).makeSession()
        let plain = try generate([5, 9], limit: 300, session: session, drafter: NoDrafter())
        #expect(plain.statistics.tokensPerStep == 1 && plain.statistics.drafted == 0)
        for (looksUp, recycles) in [(true, false), (false, true), (true, true)] {
            let drafter = TreeDrafter(looksUp: looksUp, recycles: recycles, weighsCosts: false, maximumRows: 32)
            let found = try generate([5, 9], limit: 300, session: session, drafter: drafter)
            #expect(found.result == plain.result)
            // What a tiny model says hardly repeats itself.
            #expect(found.statistics.tokensPerStep > 1.02, "\(found.statistics)")
            #expect(found.statistics.positions.first?.offered ?? 0 > 0)
            let accepted = found.statistics.positions.map(\.accepted).reduce(0, +)
            #expect(accepted == found.statistics.accepted && found.statistics.verifySeconds > 0)
        }
    }

    @Test(
        "sampled text is the same from the same seed",
        arguments: [
            SamplingOptions(temperature: 1), SamplingOptions(temperature: 0.3, topK: 5, topP: 1, minP: 0),
            SamplingOptions(temperature: 1, topK: 0, topP: 1, minP: 0),
        ])
    func sampled(options: SamplingOptions) throws {
        let model = try TestModel(TestModel.resource("quantized/model.gguf"), precision: .keep) {
            $0.contextLength = 700
        }
        let session = try Engine(plan: model.plan).makeSession()
        let prompt = DraftedGenerationTests.prompt(20)
        var texts: Set<[UInt32]> = []
        for seed in 0..<4 as Range<UInt64> {
            var sampling = options
            sampling.seed = seed
            for digests in [false, true] {
                let plain = try generate(
                    prompt, limit: 60, session: session, drafter: NoDrafter(), sampling: sampling, digests: digests
                ).result
                texts.insert(plain.tokens)
                let known = KnownTextDrafter.Kind.allCases.map {
                    KnownTextDrafter($0, text: prompt + plain.tokens, session: session) as any Drafter
                }
                for drafter in known + DraftedGenerationTests.drafters(session) {
                    let found = try generate(
                        prompt, limit: 60, session: session, drafter: drafter, sampling: sampling, digests: digests)
                    #expect(found.result == plain)
                }
            }
        }
        #expect(texts.count == 4)
    }

    @Test("a generation ends where it would have ended: at an end-of-generation token, a full context, a wish")
    func ends() throws {
        let model = try TestModel(TestModel.resource("llama3"), precision: .keep) { $0.contextLength = 700 }
        let engine = try Engine(plan: model.plan)
        let prompt = DraftedGenerationTests.prompt(20)
        var ended = 0
        for seed in 0..<8 as Range<UInt64> {
            let sampling = SamplingOptions(temperature: 20, topK: 0, topP: 1, minP: 0, seed: seed)
            for (context, stop) in [(600, Int.max), (27, Int.max), (600, 5)] {
                let session = try engine.makeSession(contextLength: context)
                let plain = try generate(
                    prompt, limit: nil, session: session, drafter: NoDrafter(), sampling: sampling, ignoresEnd: false,
                    until: stop
                ).result
                if case .endOfGeneration = plain.finish { ended += 1 }
                for kind in KnownTextDrafter.Kind.allCases {
                    // Guesses go on behind the end.
                    let text = prompt + plain.tokens + (0..<256).map { UInt32($0) }
                    let found = try generate(
                        prompt, limit: nil, session: session,
                        drafter: KnownTextDrafter(kind, text: text, session: session), sampling: sampling,
                        ignoresEnd: false, until: stop)
                    #expect(found.result == plain, "\(kind), context \(context), seed \(seed)")
                }
            }
        }
        #expect(ended > 0)
    }

    /// 100,000 draws of two tokens, the first of which is guessed: against the product of the model's own probabilities.
    /// Chi-squared with n degrees of freedom exceeds n + 3.1 sqrt(2n) + 7 less than once in a thousand seeds.
    @Test("what is sampled with guesses follows the model's distribution")
    func distribution() throws {
        let model = try TestModel(TestModel.resource("llama3"), precision: .f32, maximumRows: 16)
        let engine = try Engine(plan: model.plan, threads: 1)
        let session = try engine.makeSession()
        let prompt: [UInt32] = [7, 41, 7]
        let width = 5
        let sampling = SamplingOptions(temperature: 1, topK: width, topP: 1, minP: 0, seed: 3)
        func shares(_ tokens: [UInt32]) throws -> [UInt32: Double] {
            session.reset()
            let last = try #require(try TestModel.logits(of: tokens, session: session).last)
            let best = last.indices.sorted { (last[$0], $1) > (last[$1], $0) }.prefix(width)
            let weights = best.map { exp(Double(last[$0] - last[best[0]])) }
            let total = weights.reduce(0, +)
            return Dictionary(uniqueKeysWithValues: zip(best.map { UInt32($0) }, weights.map { $0 / total }))
        }
        var expected: [[UInt32]: Double] = [:]
        let first = try shares(prompt)
        for (token, share) in first {
            for (next, nextShare) in try shares(prompt + [token]) { expected[[token, next]] = share * nextShare }
        }
        // A guess of the second token behind each likely first one, half of them right often.
        struct Guesses: Drafter {
            let tree: TokenTree
            var candidateCount: Int { 0 }
            mutating func append(_ token: UInt32) {}
            mutating func draft(tokens: Int, rows: Int) -> Draft { Draft(tree.prefix(tokens)) }
            mutating func learn(from step: VerifiedStep) {}
        }
        var tree = TokenTree()
        for pair in expected.keys.sorted(by: { expected[$0, default: 0] > expected[$1, default: 0] }).prefix(7) {
            tree.add(pair[1], after: nil)
        }
        session.reset()
        _ = try TestModel.logits(of: Array(prompt.dropLast()), session: session)
        let draws = 100_000
        var counts: [[UInt32]: Int] = [:]
        var generation = Generation(session: session, sampling: sampling, drafter: Guesses(tree: tree))
        for _ in 0..<draws {
            try session.truncate(to: prompt.count - 1)
            try generation.prefill([prompt[2]])
            var tokens: [UInt32] = []
            _ = try generation.generate(limit: 3, tokenizer: tokenizer.tokenizer, ignoresEnd: true) {
                tokens.append($0)
                return true
            }
            counts[Array(tokens.prefix(2)), default: 0] += 1
        }
        #expect(generation.statistics.accepted > draws / 10)
        var chiSquared = 0.0
        for (pair, share) in expected {
            let wanted = share * Double(draws)
            let difference = Double(counts.removeValue(forKey: pair) ?? 0) - wanted
            chiSquared += difference * difference / wanted
        }
        #expect(counts.isEmpty)
        let freedom = Double(expected.count - 1)
        #expect(chiSquared < freedom + 3.1 * (2 * freedom).squareRoot() + 7, "\(chiSquared)")
    }

    @Test("SmolLM2-135M-Instruct says the same, greedy and sampled")
    func realModel() throws {
        let model = try TestModel(TestModel.realModel, precision: .keep)
        let session = try Engine(plan: model.plan).makeSession()
        for (number, sampling) in [.greedy, SamplingOptions(temperature: 0.8, seed: 5)].enumerated() {
            for first in [504, 788, 1780] as [UInt32] {
                let prompt = [first, 260, 1339, UInt32(300 + number)]
                let plain = try generate(prompt, limit: 48, session: session, drafter: NoDrafter(), sampling: sampling)
                for weighsCosts in [false, true] {
                    let drafter = TreeDrafter(looksUp: true, recycles: true, weighsCosts: weighsCosts, maximumRows: 16)
                    let found = try generate(prompt, limit: 48, session: session, drafter: drafter, sampling: sampling)
                    #expect(found.result == plain.result)
                }
            }
        }
    }
}
