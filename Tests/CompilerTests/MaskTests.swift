import Checkpoints
import Decoding
import Foundation
import Lowering
import Models
import Passes
import Plans
import Runtime
import Testing

/// Masks for a model as it is (formats/space.md).
@Suite("Masks")
struct MaskTests {
    private struct Golden: Decodable {
        let tokens: [UInt32]
        let anchors: [Int]
    }

    private static let folder = TestModel.resource("space")
    private static let path = folder + "/masks.safetensors"
    private static let places = 3

    /// The tiny Llama that the golden masks are for, with them or without.
    private static func model(
        _ precision: WeightPrecision = .f32, hasMasks: Bool = true, adjust: (inout Model) throws -> Void = { _ in }
    ) throws -> TestModel {
        try TestModel(TestModel.resource("shared_attention"), precision: precision) { model in
            if hasMasks { try model.apply(MaskAdapter(path)) }
            try adjust(&model)
        }
    }

    private static func golden() throws -> Golden {
        try JSONDecoder().decode(Golden.self, from: Data(contentsOf: URL(filePath: folder + "/golden.json")))
    }

    /// Tokens, then a group of masks behind each of some of them, as one step behind what is committed.
    private static func rows(_ tokens: ArraySlice<UInt32>, groups: [Int], after committed: Int) -> [Row] {
        var rows = Row.chain(tokens, after: committed)
        for anchor in groups {
            var parent = anchor
            for place in 0..<places {
                rows.append(Row(input: .mask(place), position: rows[parent].position + 1, parent: parent))
                parent = rows.count - 1
            }
        }
        return rows
    }

    private static func logits(_ session: Session, _ rows: Range<Int>) throws -> [[Float]] {
        var found: [[Float]] = []
        let most = session.engine.plan.program.maximumOutputs
        for first in stride(from: rows.lowerBound, to: rows.upperBound, by: most) {
            let asked = Array(first..<min(first + most, rows.upperBound))
            let logits = try session.logits(of: asked)
            for index in asked.indices { found.append(logits.row(index).map(Array.init) ?? []) }
        }
        return found
    }

    @Test("what is named behind them, against numpy in float64")
    func named() throws {
        let golden = try MaskTests.golden()
        let expected = try Data(contentsOf: URL(filePath: MaskTests.folder + "/golden.bin")).withUnsafeBytes {
            Array($0.bindMemory(to: Double.self))
        }
        let model = try MaskTests.model()
        #expect(model.plan.program.maskCount == MaskTests.places)
        let engine = try Engine(plan: model.plan)
        // All groups in one step, and each in a step of its own.
        let together = try engine.makeSession()
        try together.evaluate(MaskTests.rows(golden.tokens[...], groups: golden.anchors, after: 0))
        let count = golden.tokens.count
        let found = try MaskTests.logits(together, count..<count + golden.anchors.count * MaskTests.places)
        #expect(found.joined().count == expected.count)
        #expect(zip(found.joined(), expected).reduce(0.0) { max($0, abs(Double($1.0) - $1.1)) } < 1e-4)
        for (index, anchor) in golden.anchors.enumerated() {
            let alone = try engine.makeSession()
            _ = try TestModel.logits(of: Array(golden.tokens.prefix(anchor)), session: alone, chunk: 5)
            try alone.evaluate(MaskTests.rows(golden.tokens[anchor...anchor], groups: [0], after: anchor))
            let group = try MaskTests.logits(alone, 1..<1 + MaskTests.places)
            let first = index * MaskTests.places
            #expect(SameBitsTests.bits(group) == SameBitsTests.bits(Array(found[first..<first + MaskTests.places])))
        }
    }

    @Test("tokens keep their bits, beside masks and in a plan that knows them", arguments: WeightPrecision.allCases)
    func tokensKeepTheirBits(precision: WeightPrecision) throws {
        let golden = try MaskTests.golden()
        let (plain, masked) = (try MaskTests.model(precision, hasMasks: false), try MaskTests.model(precision))
        #expect(plain.plan.program.maskCount == 0)
        let expected = SameBitsTests.bits(try plain.logits(of: golden.tokens))
        #expect(SameBitsTests.bits(try masked.logits(of: golden.tokens)) == expected)
        for threads in [1, 2] {
            let session = try Engine(plan: masked.plan, threads: threads).makeSession()
            // Steps of seven tokens, with masks behind some of them that are never committed.
            var found: [[UInt32]] = []
            while session.committed < golden.tokens.count {
                let tokens = golden.tokens[session.committed...].prefix(7)
                try session.evaluate(MaskTests.rows(tokens, groups: [0, tokens.count - 1], after: session.committed))
                found += SameBitsTests.bits(try MaskTests.logits(session, 0..<tokens.count))
                try session.commit(Array(0..<tokens.count))
            }
            #expect(found == expected)
        }
    }

    @Test("what quantizing changes behind masks is not more than a few times what it changes behind tokens")
    func quantized() throws {
        let golden = try MaskTests.golden()
        let rows = MaskTests.rows(golden.tokens[...], groups: golden.anchors, after: 0)
        let logits = try [WeightPrecision.f32, .w8].map { precision in
            let session = try Engine(plan: MaskTests.model(precision).plan).makeSession()
            try session.evaluate(rows)
            return try MaskTests.logits(session, 0..<rows.count)
        }
        func error(_ rows: Range<Int>) -> Float {
            let (exact, found) = (logits[0][rows].joined(), logits[1][rows].joined())
            let difference = zip(exact, found).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            return (difference / exact.reduce(0) { $0 + $1 * $1 }).squareRoot()
        }
        let (tokens, masks) = (error(0..<golden.tokens.count), error(golden.tokens.count..<rows.count))
        #expect(masks < 4 * tokens && masks < 0.2, "\(tokens), \(masks)")
    }

    @Test("without changes a mask is its embedding")
    func embeddingAlone() throws {
        let golden = try MaskTests.golden()
        let model = try MaskTests.model { model in
            for index in model.blocks.indices {
                guard case .attention(var attention) = model.blocks[index].mixer,
                    case .gated(var gate, var up, var down) = model.blocks[index].feedForward
                else { continue }
                for path in [\Attention.query, \.key, \.value, \.output] { attention[keyPath: path].maskChange = nil }
                (gate.maskChange, up.maskChange, down.maskChange) = (nil, nil, nil)
                model.blocks[index].mixer = .attention(attention)
                model.blocks[index].feedForward = .gated(gate: gate, up: up, down: down)
            }
        }
        let engine = try Engine(plan: model.plan)
        let embeddings = try #require(try AdapterFile(MaskTests.path).matrix(named: "masks.weight"))
        let (masks, vectors) = (try engine.makeSession(), try engine.makeSession())
        for place in 0..<MaskTests.places {
            let row = embeddings.values[place * embeddings.columns..<(place + 1) * embeddings.columns]
            try vectors.setEmbedding(place, to: Array(row))
        }
        let rows = MaskTests.rows(golden.tokens[...], groups: golden.anchors, after: 0)
        try masks.evaluate(rows)
        try vectors.evaluate(
            rows.map { row in
                guard case .mask(let place) = row.input else { return row }
                return Row(input: .embedding(place), position: row.position, parent: row.parent)
            })
        let last = golden.tokens.count..<rows.count
        let found = try MaskTests.logits(masks, last)
        #expect(SameBitsTests.bits(found) == SameBitsTests.bits(try MaskTests.logits(vectors, last)))
    }

    @Test("folded norms and scaled channels leave what is named as it is")
    func passes() throws {
        let golden = try MaskTests.golden()
        let rows = MaskTests.rows(golden.tokens[...], groups: golden.anchors, after: 0)
        func named(_ adjust: (inout Model) throws -> Void) throws -> [Float] {
            let session = try Engine(plan: MaskTests.model(adjust: adjust).plan).makeSession()
            try session.evaluate(rows)
            return Array(try MaskTests.logits(session, golden.tokens.count..<rows.count).joined())
        }
        func factors(_ count: Int, _ seed: Int) -> [Float] { (0..<count).map { [0.5, 2, 1, 4][($0 + seed) % 4] } }
        let expected = try named { _ in }
        let scaled = try named { model in
            let layer = EqualizeChannels.Factors(
                projection: factors(32, 0), attentionOutput: factors(16, 1), gateUp: factors(32, 2),
                down: factors(48, 3))
            model = EqualizeChannels(layers: Array(repeating: layer, count: 6)).apply(to: model).model
        }
        // Factors are powers of two, so what is rounded is what gets too small for float16.
        #expect(zip(scaled, expected).allSatisfy { abs($0 - $1) < 1e-2 })
        var normed: [[Float]] = []
        for folds in [false, true] {
            normed.append(
                try named { model in
                    for index in model.blocks.indices {
                        model.blocks[index].mixerNorm.weight = Weight(
                            FittedMatrix(name: "norm", rows: 32, columns: 1, values: factors(32, index)))
                    }
                    if folds { model = FoldNorms(widensMatrices: true).apply(to: model).model }
                })
        }
        #expect(normed[0] == normed[1] && normed[0] != expected)
    }

    @Test("drafting with masks changes no token and no bit")
    func drafting() throws {
        let golden = try MaskTests.golden()
        let tokenizer = try TestTokenizer(TestModel.resource("llama"))
        let session = try Engine(plan: MaskTests.model(.keep).plan).makeSession()
        var texts: [[UInt32]] = []
        var digests: [LogitsDigest?] = []
        for drafter in [
            NoDrafter() as any Drafter,
            TreeDrafter(masks: .trained(places: MaskTests.places), weighsCosts: false, maximumRows: 32),
            TreeDrafter(
                looksUp: true, recycles: true, masks: .trained(places: 2), weighsCosts: false, maximumRows: 32),
        ] {
            session.reset()
            func generate(_ drafter: some Drafter) throws {
                var generation = Generation(session: session, sampling: .greedy, drafter: drafter, digestsLogits: true)
                try generation.prefill(Array(golden.tokens.prefix(9)))
                var text: [UInt32] = []
                _ = try generation.generate(limit: 60, tokenizer: tokenizer.tokenizer, ignoresEnd: true) {
                    text.append($0)
                    return true
                }
                texts.append(text)
                digests.append(generation.digest)
                #expect((generation.statistics.masks > 0) == !(drafter is NoDrafter))
            }
            try generate(drafter)
        }
        #expect(texts[0].count == 60 && texts.allSatisfy { $0 == texts[0] } && digests.allSatisfy { $0 == digests[0] })
    }

    @Test("masks that the plan does not have, or before tokens, are refused")
    func refusals() throws {
        let session = try Engine(plan: MaskTests.model().plan).makeSession()
        let rows = MaskTests.rows([5, 6], groups: [1], after: 0)
        #expect(throws: RuntimeError.unknownInput(row: 1)) {
            try session.evaluate([rows[0], Row(input: .mask(3), position: 1, parent: 0)])
        }
        #expect(throws: RuntimeError.unknownInput(row: 1)) {
            try session.evaluate([rows[0], Row(input: .mask(-1), position: 1, parent: 0)])
        }
        #expect(throws: RuntimeError.masksNotLast(row: 0)) {
            try session.evaluate([Row(input: .mask(0), position: 0, parent: nil), rows[0]])
        }
        try session.evaluate(rows)
        #expect(throws: RuntimeError.masksNotLast(row: 2)) { try session.logits(of: [2, 1]) }
        _ = try session.logits(of: [1, 2, 4])
        let plain = try Engine(plan: MaskTests.model(hasMasks: false).plan).makeSession()
        #expect(throws: RuntimeError.unknownInput(row: 2)) { try plain.evaluate(rows) }
        #expect(RuntimeError.masksNotLast(row: 0).exitCode == 1)
    }
}
