import Foundation
import Lowering
import Runtime
import Testing

@Suite("The same bits however a sequence is evaluated")
struct SameBitsTests {
    static let precisions: [WeightPrecision] = WeightPrecision.allCases
    static let tokens: [UInt32] = (0..<120).map { UInt32(($0 * 7919 + 13) % 256) }

    /// Compares bits, so that -0 differs from 0 and NaN equals itself.
    static func bits(_ logits: [[Float]]) -> [[UInt32]] { logits.map { $0.map(\.bitPattern) } }

    @Test("steps of 1, 7, 64 and all rows", arguments: precisions)
    func chunking(precision: WeightPrecision) throws {
        for name in ["llama3/model.gguf", "quantized/model.gguf", "qwen3/model.gguf"] {
            let model = try TestModel(TestModel.resource(name), precision: precision, maximumRows: 256)
            let whole = try SameBitsTests.bits(model.logits(of: SameBitsTests.tokens))
            for chunk in [1, 7, 64] {
                #expect(try SameBitsTests.bits(model.logits(of: SameBitsTests.tokens, chunk: chunk)) == whole)
            }
        }
    }

    @Test("a sliding window that the sequence outgrows", arguments: precisions)
    func slidingWindow(precision: WeightPrecision) throws {
        let model = try TestModel(TestModel.resource("mistral"), precision: precision, maximumRows: 256)
        let whole = try SameBitsTests.bits(model.logits(of: SameBitsTests.tokens))
        for chunk in [1, 7, 64] {
            #expect(try SameBitsTests.bits(model.logits(of: SameBitsTests.tokens, chunk: chunk)) == whole)
        }
    }

    @Test("1 and 2 threads", arguments: precisions)
    func threads(precision: WeightPrecision) throws {
        let model = try TestModel(TestModel.resource("quantized/model.gguf"), precision: precision)
        let one = try SameBitsTests.bits(model.logits(of: SameBitsTests.tokens, threads: 1))
        #expect(try SameBitsTests.bits(model.logits(of: SameBitsTests.tokens, threads: 2)) == one)
    }

    @Test("the scalar kernels and every SIMD level of this machine", arguments: precisions)
    func instructionSets(precision: WeightPrecision) throws {
        let model = try TestModel(TestModel.resource("quantized/model.gguf"), precision: precision)
        let scalar = try SameBitsTests.bits(model.logits(of: SameBitsTests.tokens, instructionSet: .scalar))
        for instructionSet in InstructionSet.allCases where instructionSet != .scalar {
            guard let engine = try? Engine(plan: model.plan, instructionSet: instructionSet) else { continue }
            let logits = try TestModel.logits(of: SameBitsTests.tokens, session: try engine.makeSession())
            #expect(SameBitsTests.bits(logits) == scalar, "\(instructionSet)")
        }
    }

    @Test("each branch of a token tree against its tokens one by one", arguments: precisions)
    func tree(precision: WeightPrecision) throws {
        let model = try TestModel(TestModel.resource("quantized/model.gguf"), precision: precision)
        let engine = try Engine(plan: model.plan)
        let prefix = Array(SameBitsTests.tokens.prefix(21))
        // (token, parent): two roots, a fork of three, and a chain below one of them, in an order that mixes branches.
        let tree: [(UInt32, Int?)] = [
            (5, nil), (9, nil), (17, 0), (18, 1), (19, 0), (33, 2), (20, 0), (34, 3), (77, 5), (78, 8),
        ]
        var rows: [Row] = []
        var paths: [[Int]] = []
        for (index, (token, parent)) in tree.enumerated() {
            paths.append((parent.map { paths[$0] } ?? []) + [index])
            rows.append(
                Row(input: .token(token), position: UInt32(prefix.count + paths[index].count - 1), parent: parent))
        }
        let session = try engine.makeSession()
        _ = try TestModel.logits(of: prefix, session: session)
        try session.evaluate(rows)
        var found: [[UInt32]] = []
        for index in rows.indices {
            found.append(try session.logits(of: [index]).row(0).map { $0.map(\.bitPattern) } ?? [])
        }
        for (index, path) in paths.enumerated() {
            let alone = try engine.makeSession()
            let sequence = prefix + path.map { tree[$0].0 }
            let expected = try TestModel.logits(of: sequence, session: alone, chunk: 1)
            #expect(found[index] == SameBitsTests.bits(expected)[sequence.count - 1], "row \(index)")
        }
        // Committing a branch leaves exactly the state that its tokens would have left.
        let path = paths[9]
        try session.commit(path)
        let continued = try TestModel.logits(of: [200, 201], session: session)
        let plain = try engine.makeSession()
        let expected = try TestModel.logits(of: prefix + path.map { tree[$0].0 } + [200, 201], session: plain)
        #expect(SameBitsTests.bits(continued) == Array(SameBitsTests.bits(expected).suffix(2)))
    }

    @Test("a rejected step and a truncation leave nothing behind")
    func rollback() throws {
        let model = try TestModel(TestModel.resource("quantized/model.gguf"), precision: .keep)
        let session = try Engine(plan: model.plan).makeSession()
        let prefix = Array(SameBitsTests.tokens.prefix(40))
        _ = try TestModel.logits(of: prefix, session: session)
        try session.evaluate(Row.chain([1, 2, 3, 4, 5], after: session.committed))
        try session.truncate(to: 30)
        let again = try TestModel.logits(of: Array(prefix[30...]), session: session)
        let expected = try model.logits(of: prefix)
        #expect(SameBitsTests.bits(again) == Array(SameBitsTests.bits(expected)[30...]))
    }

    @Test("an embedding row stands for the token whose vector it holds")
    func embeddingRows() throws {
        let model = try TestModel(TestModel.resource("llama/model.gguf"), precision: .f32)
        let session = try Engine(plan: model.plan).makeSession()
        let table = try #require(model.plan.program.tensors.first)
        guard case .matrix(_, _, let columns) = table.layout else { return }
        // In the float32 packing, value k of row r of tile 0 lies at element k * 16 + r.
        let vector = (0..<columns).map { column in
            model.plan.weights.loadUnaligned(
                fromByteOffset: table.offset + (column * 16 + 11) * 4, as: Float.self)
        }
        try session.setEmbedding(0, to: vector)
        try session.evaluate([Row(input: .embedding(0), position: 0, parent: nil)])
        let found = try session.logits(of: [0]).row(0).map { $0.map(\.bitPattern) }
        #expect(found == SameBitsTests.bits(try model.logits(of: [11]))[0])
    }
}
