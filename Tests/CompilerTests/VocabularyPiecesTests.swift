import Checkpoints
import Foundation
import Lowering
import Models
import Plans
import Runtime
import Testing

@Suite("Embedding and head in several pieces")
struct VocabularyPiecesTests {
    /// One piece of a single tile, one of several, and one whose last tile is not full: the goldens have 275 tokens.
    static let cuts = [16, 112]
    static let ranges = [0..<16, 16..<112, 112..<275]
    /// Tied, tied with quantized blocks, and two with a head of its own.
    static let models = ["llama/model.gguf", "quantized/model.gguf", "llama3/model.gguf", "mistral"]
    /// Tokens of all pieces, their edges among them, in no order.
    static let tokens: [UInt32] = [
        0, 274, 15, 16, 111, 112, 3, 200, 64, 1, 113, 17, 14, 273, 30, 110, 112, 16, 15, 0, 99,
    ]

    @Test("names and ranges")
    func naming() {
        let pieces = VocabularyPieces(vocabularySize: 275, cuts: VocabularyPiecesTests.cuts)
        #expect(pieces.ranges == VocabularyPiecesTests.ranges)
        #expect((0..<3).map { pieces.name(of: "head", piece: $0) } == ["head.0", "head.1", "head.2"])
        let whole = VocabularyPieces(vocabularySize: 275, cuts: [])
        #expect(whole.ranges == [0..<275] && whole.name(of: "head", piece: 0) == "head")
    }

    /// The tensors of a plan's embedding (of the body) or head, in order.
    private static func tensors(_ plan: Plan, head: Bool) -> [Tensor] {
        let program = plan.program
        return (head ? program.head : program.body).compactMap { instruction in
            switch instruction {
            case .embed(let table, _, _): program.tensors[table.value]
            case .multiply(_, let weight, _, let output, _, _) where head && output == program.logits:
                program.tensors[weight.value]
            default: nil
            }
        }
    }

    private static func bytes(_ tensors: [Tensor], of plan: Plan) -> [UInt8] {
        withExtendedLifetime(plan) {
            tensors.flatMap { [UInt8](plan.weights[$0.offset..<$0.offset + ($0.byteCount ?? 0)]) }
        }
    }

    private static func names(_ tensors: [Tensor]) -> [String] {
        tensors.map { String(decoding: $0.name, as: UTF8.self) }
    }

    @Test("pieces hold the bytes of the whole matrices, one behind the other", arguments: models)
    func bytes(name: String) throws {
        for precision in WeightPrecision.allCases {
            let whole = try TestModel(TestModel.resource(name), precision: precision).plan
            let cut = try TestModel(
                TestModel.resource(name), precision: precision, vocabularyCuts: VocabularyPiecesTests.cuts
            ).plan
            for head in [false, true] {
                let (one, three) = (
                    VocabularyPiecesTests.tensors(whole, head: head), VocabularyPiecesTests.tensors(cut, head: head)
                )
                #expect(one.count == 1 && three.count == 3)
                let base = try #require(VocabularyPiecesTests.names(one).first)
                #expect(VocabularyPiecesTests.names(three) == (0..<3).map { "\(base).\($0)" })
                #expect(VocabularyPiecesTests.bytes(three, of: cut) == VocabularyPiecesTests.bytes(one, of: whole))
            }
            // What is tied stays one matrix: no piece is stored twice.
            let isTied = !["llama3/model.gguf", "mistral"].contains(name)
            #expect(cut.program.tensors.count == whole.program.tensors.count + (isTied ? 2 : 4))
        }
    }

    @Test("the same logits and most likely tokens as in one piece", arguments: models)
    func sameBits(name: String) throws {
        for precision in WeightPrecision.allCases {
            let whole = try TestModel(TestModel.resource(name), precision: precision)
            let cut = try TestModel(
                TestModel.resource(name), precision: precision, vocabularyCuts: VocabularyPiecesTests.cuts)
            let tokens = VocabularyPiecesTests.tokens
            let expected = SameBitsTests.bits(try whole.logits(of: tokens, threads: 1))
            for threads in [1, 2] {
                for chunk in [1, 3, tokens.count] {
                    let found = try cut.logits(of: tokens, chunk: chunk, threads: threads)
                    #expect(SameBitsTests.bits(found) == expected, "\(precision), \(threads) threads, \(chunk) rows")
                }
                let rows = [20, 3, 11]
                for count in [1, 5, 40, 275, 1000] {
                    let found = try VocabularyPiecesTests.mostLikely(count, of: rows, model: cut, threads: threads)
                    #expect(
                        try found
                            == VocabularyPiecesTests.mostLikely(count, of: rows, model: whole, threads: threads))
                    #expect(
                        found.map { $0.map(\.logit.bitPattern) }
                            == rows.map { row in
                                expected[row].map { Float(bitPattern: $0) }.sorted(by: >).prefix(count).map(
                                    \.bitPattern)
                            })
                    for (row, candidates) in zip(rows, found) {
                        #expect(candidates.allSatisfy { $0.logit.bitPattern == expected[row][Int($0.token)] })
                    }
                }
            }
        }
    }

    private static func mostLikely(
        _ count: Int, of rows: [Int], model: TestModel, threads: Int
    ) throws -> [[Candidate]] {
        let session = try Engine(plan: model.plan, threads: threads).makeSession()
        try session.evaluate(Row.chain(tokens, after: 0))
        return try session.mostLikely(count, of: rows)
    }

    /// Packings of float32 input and of quantized input, by turns.
    static let packings: [Packing] = [
        .integer(.int8Symmetric, group: .columns32), .bfloat16, .integer(.int4Affine, group: .columns32),
    ]

    private static func choices(_ base: String) -> [String: MatrixChoice] {
        Dictionary(uniqueKeysWithValues: packings.enumerated().map { ("\(base).\($0)", .packing($1)) })
    }

    /// The model with `base` whole in each of the packings.
    private static func wholes(_ name: String, _ base: String) throws -> [TestModel] {
        try packings.map {
            try TestModel(TestModel.resource(name), precision: .f32, choices: [base: .packing($0)])
        }
    }

    @Test("each piece of a head gives the logits that the whole head in its packing gives")
    func headsOfSeveralPackings() throws {
        let name = "llama3/model.gguf"
        let base = try Model(try Checkpoint.open(TestModel.resource(name))).head.name
        let mixed = try TestModel(
            TestModel.resource(name), precision: .f32, choices: VocabularyPiecesTests.choices(base),
            vocabularyCuts: VocabularyPiecesTests.cuts)
        let norms = mixed.plan.program.head.filter { if case .normalize = $0 { true } else { false } }
        // One of the layer's feed-forward; for three pieces two of the head, one for each kind of input.
        #expect(norms.count == 3)
        let tokens = VocabularyPiecesTests.tokens
        let wholes = try VocabularyPiecesTests.wholes(name, base).map {
            SameBitsTests.bits(try $0.logits(of: tokens, threads: 1))
        }
        let expected = tokens.indices.map { row in
            zip(VocabularyPiecesTests.ranges, wholes).flatMap { range, logits in logits[row][range] }
        }
        #expect(Set(expected).isDisjoint(with: wholes.flatMap { $0 }))
        for threads in [1, 2] {
            #expect(SameBitsTests.bits(try mixed.logits(of: tokens, threads: threads)) == expected)
            let found = try VocabularyPiecesTests.mostLikely(275, of: [7], model: mixed, threads: threads)
            let order = expected[7].indices.sorted {
                (Float(bitPattern: expected[7][$0]), $1) > (Float(bitPattern: expected[7][$1]), $0)
            }
            #expect(found == [order.map { Candidate(token: UInt32($0), logit: Float(bitPattern: expected[7][$0])) }])
        }
    }

    /// The first layer's input for each of the test's tokens, all in one step, as bits.
    private static func embedded(_ model: TestModel, threads: Int) throws -> [[UInt32]] {
        let session = try Engine(plan: model.plan, threads: threads).makeSession()
        let hidden = model.plan.program.buffers.firstIndex { $0.name == Array("hidden".utf8) }
        var (rows, isEmbedded): ([[UInt32]], Bool) = ([], false)
        // The rotary table follows the last piece.
        session.observer = { seen in
            guard !isEmbedded else { return }
            if seen.index.value == hidden {
                rows = (0..<seen.rowCount).map { seen.row($0)?.map(\.bitPattern) ?? [] }
            } else {
                isEmbedded = true
            }
        }
        try session.evaluate(Row.chain(tokens, after: 0))
        return rows
    }

    @Test("each token's vector is that of the whole embedding in the packing of its piece", arguments: models)
    func embeddingsOfSeveralPackings(name: String) throws {
        let base = try Model(try Checkpoint.open(TestModel.resource(name))).embedding.name
        let mixed = try TestModel(
            TestModel.resource(name), precision: .f32, choices: VocabularyPiecesTests.choices(base),
            vocabularyCuts: VocabularyPiecesTests.cuts)
        let wholes = try VocabularyPiecesTests.wholes(name, base).map {
            try VocabularyPiecesTests.embedded($0, threads: 1)
        }
        let expected = try VocabularyPiecesTests.tokens.enumerated().map { row, token in
            let piece = try #require(VocabularyPiecesTests.ranges.firstIndex { $0.contains(Int(token)) })
            return wholes[piece][row]
        }
        for threads in [1, 2] {
            #expect(try VocabularyPiecesTests.embedded(mixed, threads: threads) == expected)
        }
    }

    @Test("a vector stands for a token of any piece, beside tokens of others")
    func vectors() throws {
        let model = try TestModel(
            TestModel.resource("llama/model.gguf"), precision: .f32, vocabularyCuts: VocabularyPiecesTests.cuts)
        let embedding = try Model(try Checkpoint.open(TestModel.resource("llama/model.gguf"))).embedding
        let session = try Engine(plan: model.plan, threads: 2).makeSession()
        let tokens: [UInt32] = [5, 20, 200]
        for (index, token) in tokens.enumerated() {
            try session.setEmbedding(index, to: embedding.slice(rows: Int(token)..<Int(token) + 1).values())
        }
        var rows = Row.chain(tokens + tokens, after: 0)
        for index in tokens.indices { rows[2 * index].input = .embedding([0, 2, 1][index]) }
        try session.evaluate(rows)
        let found = try session.logits(of: [5]).row(0).map { $0.map(\.bitPattern) }
        #expect(found == SameBitsTests.bits(try model.logits(of: tokens + tokens)).last)
    }
}

@Suite("Rows of a weight as a weight of their own")
struct WeightSliceTests {
    private static func weights(_ name: String) throws -> [Weight] {
        let model = try Model(try Checkpoint.open(TestModel.resource(name)))
        guard case .attention(let attention)? = model.blocks.first?.mixer else { return [] }
        // Of q8_0 without transforms, and with the rows of GGUF's interleaved heads.
        return [model.embedding, attention.query.weight, attention.key.weight]
    }

    @Test(
        "it has the values and the stored bytes of its rows", arguments: ["quantized/model.gguf", "llama/model.gguf"])
    func values(name: String) throws {
        for whole in try WeightSliceTests.weights(name) {
            for range in [0..<whole.rows, 0..<3, 5..<13, whole.rows - 1..<whole.rows, 4..<4] {
                var slice = whole.slice(rows: range)
                #expect(slice.rows == range.count && slice.columns == whole.columns && slice.name == whole.name)
                let values = range.lowerBound * whole.columns..<range.upperBound * whole.columns
                #expect(slice.values() == Array(whole.values()[values]))
                for row in range {
                    #expect(
                        slice.storedBytes(row: row - range.lowerBound).elementsEqual(whole.storedBytes(row: row)))
                }
                // A slice of a slice, and transforms that come later.
                if range.count > 4 {
                    slice.transforms.append(.columnsScaled(by: Array(repeating: 2, count: whole.columns)))
                    let inner = Array(whole.slice(rows: range.lowerBound + 1..<range.lowerBound + 3).values())
                    #expect(slice.slice(rows: 1..<3).values() == inner.map { 2 * $0 })
                }
            }
        }
    }
}
