import Lowering
import Models
import Passes
import Plans
import Runtime
import Testing

/// Models whose attention keeps sums: the same bits however a sequence is evaluated, and a state that does not grow.
@Suite("Attention with sums in a model")
struct SummedAttentionTests {
    struct Variant: Sendable, CustomTestStringConvertible {
        enum Form: Sendable {
            case grouped(group: Int, taps: Int)
            case hybrid(length: Int, block: Int, sinks: Int, rows: Int, isSplit: Bool)
        }

        let name: String
        let precision: WeightPrecision
        let form: Form
        var testDescription: String { "\(name) \(precision), \(form)" }

        init(_ name: String, _ precision: WeightPrecision, _ form: Form) {
            (self.name, self.precision, self.form) = (name, precision, form)
        }

        static let all = [
            Variant("llama3", .f32, .grouped(group: 64, taps: 32)),
            Variant("qwen3", .keep, .grouped(group: 8, taps: 5)),
            Variant("quantized/model.gguf", .keep, .grouped(group: 16, taps: 0)),
            Variant("llama3", .f32, .hybrid(length: 64, block: 16, sinks: 4, rows: 16, isSplit: false)),
            Variant("qwen3", .keep, .hybrid(length: 20, block: 1, sinks: 0, rows: 32, isSplit: true)),
            Variant("quantized/model.gguf", .w8, .hybrid(length: 24, block: 8, sinks: 3, rows: 16, isSplit: false)),
        ]

        /// Positions of a group.
        var group: Int {
            switch form {
            case .grouped(let group, _): group
            case .hybrid(_, let block, _, _, _): block
            }
        }

        func plan(rows: Int, alpha: Float = 0.01) throws -> Plan {
            try TestModel(TestModel.resource(name), precision: precision, maximumRows: rows) { model in
                model.contextLength = 2000
                var source = RandomFloats(UInt64(group * 100))
                var forms: [Int: LinearizedForm] = [:]
                for (layer, block) in model.blocks.enumerated() {
                    guard case .attention(let attention) = block.mixer else { continue }
                    switch form {
                    case .grouped(let group, let taps):
                        let convolution = taps == 0 ? [] : (0..<attention.queryHeads).map { _ in source.floats(taps) }
                        forms[layer] = .grouped(GroupedAttention(group: group, alpha: alpha, taps: convolution))
                    case .hybrid(let length, let block, let sinks, let rows, let isSplit):
                        let (heads, dimensions) = (attention.queryHeads, attention.dimensions)
                        let features = DistantFeatures(
                            block: block, rows: rows, queryMap: source.floats(heads * rows * dimensions),
                            keyMap: source.floats((isSplit ? heads : attention.keyHeads) * rows * dimensions),
                            gate: source.floats(heads * (dimensions + 2)))
                        forms[layer] = .window(AttentionWindow(length: length, sinks: sinks, distant: features))
                    }
                }
                model = try LinearizeAttention(forms).apply(to: model).model
            }.plan
        }
    }

    private static let tokens = Array(LongContextTests.tokens.prefix(330))

    @Test("steps of 1, 7, 40 and all rows, threads and instruction sets", arguments: Variant.all)
    func sameBits(variant: Variant) throws {
        let whole = SameBitsTests.bits(
            try TestModel.logits(of: Self.tokens, session: try Engine(plan: variant.plan(rows: 330)).makeSession()))
        let plan = try variant.plan(rows: 40)
        for chunk in [1, 7, 40] {
            for threads in [1, 2] {
                let session = try Engine(plan: plan, threads: threads).makeSession()
                let logits = try TestModel.logits(of: Self.tokens, session: session, chunk: chunk)
                #expect(SameBitsTests.bits(logits) == whole, "\(chunk), \(threads)")
            }
        }
        for instructionSet in InstructionSet.allCases {
            guard let engine = try? Engine(plan: plan, instructionSet: instructionSet) else { continue }
            let logits = try TestModel.logits(of: Self.tokens, session: try engine.makeSession(), chunk: 33)
            #expect(SameBitsTests.bits(logits) == whole, "\(instructionSet)")
        }
    }

    @Test("trees at every place of a group, and what is left when a branch is committed", arguments: Variant.all)
    func trees(variant: Variant) throws {
        // Two branches of ten rows that take turns, and a fork: they cross from group to group.
        var tree: [(token: UInt32, parent: Int?)] = []
        for index in 0..<20 { tree.append((UInt32(index) * 11 + 3, index < 2 ? nil : index - 2)) }
        tree += [(200, 6), (201, 20), (202, nil)]
        var paths: [[Int]] = []
        for (index, row) in tree.enumerated() { paths.append((row.parent.map { paths[$0] } ?? []) + [index]) }
        let engine = try Engine(plan: variant.plan(rows: 40))
        for committed in 120..<120 + min(variant.group, 16) {
            let prefix = Array(Self.tokens.prefix(committed))
            let session = try engine.makeSession()
            _ = try TestModel.logits(of: prefix, session: session)
            try session.evaluate(
                zip(tree, paths).map { row, path in
                    Row(input: .token(row.token), position: UInt32(committed + path.count - 1), parent: row.parent)
                })
            var found: [[UInt32]] = []
            for row in tree.indices {
                found.append(try session.logits(of: [row]).row(0).map { $0.map(\.bitPattern) } ?? [])
            }
            for leaf in [18, 19, 21, 22] {
                let alone = try engine.makeSession()
                _ = try TestModel.logits(of: prefix, session: alone)
                let logits = try TestModel.logits(of: paths[leaf].map { tree[$0].token }, session: alone, chunk: 1)
                for (row, bits) in zip(paths[leaf], SameBitsTests.bits(logits)) {
                    #expect(found[row] == bits, "row \(row) behind \(committed)")
                }
            }
            try session.commit(paths[21])
            let continued = try TestModel.logits(of: [200, 201], session: session)
            let sequence = prefix + paths[21].map { tree[$0].token } + [200, 201]
            let plain = try TestModel.logits(of: sequence, session: engine.makeSession())
            #expect(SameBitsTests.bits(continued) == Array(SameBitsTests.bits(plain).suffix(2)), "\(committed)")
        }
    }

    @Test("with features behind a window as well")
    func hybridState() throws {
        let variant = Variant.all[3]
        let engine = try Engine(plan: variant.plan(rows: 40))
        let session = try engine.makeSession()
        #expect(session.stateBytesPerPosition == 0)
        // Two layers of two heads of 16 dimensions: keys and values in float32 of 256 slots and a tile for the sinks, and sums of
        // 32 features.
        #expect(session.constantStateBytes == 2 * 2 * (2 * 16 * 4 * 272 + 32 * 17 * 4))
        let whole = SameBitsTests.bits(try TestModel.logits(of: Self.tokens, session: session, chunk: 40))
        // The last step began at 320: 17 blocks of 16 were behind its window of 64.
        #expect(throws: RuntimeError.forgotten(length: 319)) { try session.truncate(to: 319) }
        try session.truncate(to: 321)
        let again = SameBitsTests.bits(try TestModel.logits(of: Array(Self.tokens[321...]), session: session, chunk: 3))
        #expect(again == Array(whole[321...]))
        session.reset()
        let anew = SameBitsTests.bits(try TestModel.logits(of: Self.tokens, session: session, chunk: 37))
        #expect(anew == whole)
    }

    @Test("the state does not grow, and goes back as far as it can")
    func state() throws {
        let variant = Variant.all[0]
        let engine = try Engine(plan: variant.plan(rows: 40))
        let (session, short) = (try engine.makeSession(), try engine.makeSession(contextLength: 100))
        #expect(session.stateBytesPerPosition == 0 && short.stateBytesPerPosition == 0)
        // Two layers of two heads of 16 dimensions: keys and values in float32 of 256 slots, and sums.
        #expect(session.constantStateBytes == 2 * 2 * (2 * 16 * 4 * 256 + 16 * 16 * 4))
        let whole = SameBitsTests.bits(try TestModel.logits(of: Self.tokens, session: session, chunk: 40))
        // The last step began at 320, five groups of 64.
        #expect(throws: RuntimeError.forgotten(length: 319)) { try session.truncate(to: 319) }
        try session.truncate(to: 322)
        let again = SameBitsTests.bits(try TestModel.logits(of: Array(Self.tokens[322...]), session: session, chunk: 3))
        #expect(again == Array(whole[322...]))
        try session.truncate(to: 0)
        let anew = SameBitsTests.bits(try TestModel.logits(of: Self.tokens, session: session, chunk: 37))
        #expect(anew == whole)
        // Sums are of floats whatever cache is asked for.
        let integers = try engine.makeSession(cache: .int8)
        #expect(integers.constantStateBytes == session.constantStateBytes)
    }

    @Test("alpha decides whether groups before are seen, and taps reach across them")
    func reach() throws {
        // A token of the first group is changed; the next group is looked at, behind what two layers of taps reach.
        var other = Self.tokens
        other[3] = 77
        func differ(taps: Int, alpha: Float, at position: Int) throws -> Bool {
            let plan = try Variant("llama3", .f32, .grouped(group: 64, taps: taps)).plan(rows: 330, alpha: alpha)
            let engine = try Engine(plan: plan)
            let (one, two) = (
                try TestModel.logits(of: Self.tokens, session: engine.makeSession()),
                try TestModel.logits(of: other, session: engine.makeSession())
            )
            return one[position] != two[position]
        }
        #expect(try differ(taps: 0, alpha: 0, at: 63))
        #expect(try !differ(taps: 0, alpha: 0, at: 64))
        #expect(try differ(taps: 0, alpha: 0.01, at: 64))
        #expect(try differ(taps: 32, alpha: 0, at: 64))
        #expect(try !differ(taps: 32, alpha: 0, at: 200))
        // Nothing changes before it.
        #expect(try !differ(taps: 32, alpha: 0.01, at: 2))
    }
}
