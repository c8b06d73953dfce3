import Checkpoints
import Decoding
import Foundation
import Lowering
import Models
import Plans
import Testing

@testable import Compiler
@testable import Runtime

/// Steps of a model with parts left out, and drafts made of them.
@Suite("Drafts that skip parts of the model")
struct SkipTests {
    private static let tokens = Array(LongContextTests.tokens.prefix(60).map { $0 % 61 })
    private static let sublayers: Set<Sublayer> = [
        Sublayer(layer: 1, part: .mixer), Sublayer(layer: 2, part: .mixer), Sublayer(layer: 2, part: .feedForward),
        Sublayer(layer: 4, part: .feedForward),
    ]

    private static func model() throws -> Model {
        try Model(try Checkpoint.open(TestModel.resource("shared_attention")))
    }

    private static func plan(_ model: Model, skipped: Set<Sublayer> = []) throws -> Plan {
        try PlanAssembly(lowered: try ModelLowering(precision: .f32, skipped: skipped, maximumRows: 64).lower(model))
            .plan()
    }

    @Test("what is skipped adds nothing, and the other steps know nothing of it", arguments: [1, 2])
    func silence(threads: Int) throws {
        let model = try SkipTests.model()
        let engine = try Engine(plan: SkipTests.plan(model, skipped: SkipTests.sublayers), threads: threads)
        #expect(engine.canSkip)
        let session = try engine.makeSession()
        let whole = try Engine(plan: SkipTests.plan(model)).makeSession()
        let silent = try Engine(plan: SkipTests.plan(model.silencing(Array(SkipTests.sublayers)))).makeSession()
        #expect(!whole.engine.canSkip)
        var expected: [[UInt32]] = []
        for session in [whole, silent] {
            let logits = try TestModel.logits(of: SkipTests.tokens, session: session)
            expected.append(SameBitsTests.bits(logits)[SkipTests.tokens.count - 1])
        }
        #expect(expected[0] != expected[1])
        let rows = Row.chain(SkipTests.tokens, after: 0)
        for skipping in [true, false, true] {
            try session.evaluate(rows, skipping: skipping)
            let found = try session.logits(of: [rows.count - 1]).row(0).map { $0.map(\.bitPattern) }
            #expect(found == expected[skipping ? 1 : 0])
        }
        #expect(throws: RuntimeError.skippedStep) { try session.commit([0]) }
        #expect(session.committed == 0)
        try session.commit([])
        // Where nothing can be skipped, nothing is.
        try whole.evaluate(Row.chain(SkipTests.tokens.prefix(3), after: whole.committed), skipping: true)
        try whole.commit([0, 1, 2])
    }

    @Test("drafting changes no token and no bit")
    func drafting() throws {
        let tokenizer = try TestTokenizer(TestModel.resource("llama"))
        let session = try Engine(
            plan: SkipTests.plan(SkipTests.model(), skipped: SkipTests.sublayers)
        ).makeSession()
        func generate(_ drafter: some Drafter) throws -> ([UInt32], LogitsDigest?, DraftStatistics) {
            session.reset()
            var generation = Generation(session: session, sampling: .greedy, drafter: drafter, digestsLogits: true)
            try generation.prefill(Array(SkipTests.tokens.prefix(20)))
            var text: [UInt32] = []
            _ = try generation.generate(limit: 80, tokenizer: tokenizer.tokenizer, ignoresEnd: true) {
                text.append($0)
                return true
            }
            return (text, generation.digest, generation.statistics)
        }
        let plain = try generate(NoDrafter())
        for weighsCosts in [false, true] {
            let found = try generate(SkipDrafter(session: session, weighsCosts: weighsCosts))
            #expect(found.0 == plain.0 && found.1 == plain.1 && plain.0.count == 80)
            #expect(weighsCosts || found.2.drafted > 80)
        }
    }

    @Test("the search finds parts that add nothing first")
    func search() throws {
        let quiet = [Sublayer(layer: 3, part: .mixer), Sublayer(layer: 1, part: .feedForward)]
        let model = try SkipTests.model().silencing(quiet)
        let text = CalibrationTokens(tokens: (SkipTests.tokens + SkipTests.tokens)[...], chunkLength: 40)
        let plan = try SkipPlan(model, tokens: text, heldOut: text) { _, _ in }
        // Nothing is lost without these two, and drafts that always are right pay.
        #expect(plan.sublayers.isSuperset(of: quiet), "\(plan.sublayers)")
        #expect(plan.passReport.summary.contains("of 8 sublayers"))
        #expect(model.cost(without: quiet) < 1 && model.cost(without: []) == 1)
    }

    @Test("what a draft is worth")
    func speedUp() {
        // Always right and for nothing: 16 tokens for a verification.
        #expect(abs(SkipPlan.speedUp(agreement: 1, cost: 0) - 16 / 1.1) < 1e-9)
        #expect(SkipPlan.speedUp(agreement: 0.5, cost: 0.9) < 1 && SkipPlan.speedUp(agreement: 0.9, cost: 0.4) > 1)
    }

    @Test("programs whose rest is none are refused")
    func refusals() throws {
        var program = try SkipTests.plan(SkipTests.model(), skipped: SkipTests.sublayers).program
        let weightsBytes = program.tensors.map { $0.offset + ($0.byteCount ?? 0) }.max() ?? 0
        try program.verify(weightsBytes: weightsBytes)
        let good = program.skipped
        for (skipped, rule) in [
            (good.reversed(), "skipped instructions are some of the body's, in order"),
            ([good[0], good[0]], "skipped instructions are some of the body's, in order"),
            ([-1], "skipped instructions are some of the body's, in order"),
            ([program.body.count], "skipped instructions are some of the body's, in order"),
            ([0], "a buffer is written before it is read"),
            // The norm of an attention, whose projection is left.
            ([good[0]], "a buffer is written before it is read"),
        ] {
            program.skipped = skipped
            let error = #expect(throws: PlanError.self) { try program.verify(weightsBytes: weightsBytes) }
            #expect(error.map { "\($0.rule)" } == rule, "\(skipped)")
        }
    }
}
