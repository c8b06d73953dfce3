import Checkpoints
import Foundation
import Lowering
import Models
import Passes
import Plans
import Runtime
import Testing

@testable import Compiler

@Suite("Calibration: a model evaluated layer by layer")
struct CalibrationTests {
    static let tokens: [UInt32] = (0..<40).map { (index: UInt32) in (index * 7919 + 13) % 256 }

    /// The residual stream behind the last layer, layer by layer.
    static func lastStates(
        of model: Model, observing observe: @escaping (LayerTensor, ObservedBuffer) -> Void = { _, _ in }
    ) throws -> HiddenStates {
        var states = HiddenStates(tokens: tokens, embedding: model.embedding)
        for span in model.evaluationSpans {
            let next = HiddenStates(count: states.count, width: states.width)
            let layers = try SpanEvaluation(span, of: model, chunkLength: tokens.count)
            try layers.run(states, rows: 0..<tokens.count, into: next, observing: observe)
            states = next
        }
        return states
    }

    @Test("layers by themselves give the bits of the whole model", arguments: ["llama", "llama3", "qwen2", "qwen3"])
    func sameBits(_ name: String) throws {
        let path = TestModel.resource(name)
        let model = FoldNorms(widensMatrices: true).apply(to: try Model(try Checkpoint.open(path))).model
        let expected = try TestModel(path, precision: .f32).logits(of: Self.tokens)
        try Self.expectBits(expected, of: model)
    }

    @Test("a donor and its receivers by themselves give the bits of the whole model", arguments: ["llama3", "qwen3"])
    func sameBitsShared(_ name: String) throws {
        /// Five layers, of which the third and the fourth use the attention weights of the second.
        func share(_ model: inout Model) throws {
            model.blocks = [0, 1, 0, 1, 0].map { model.blocks[$0] }
            guard case .attention(let attention) = model.blocks[0].mixer else { return }
            let heads = Array((0..<attention.queryHeads).reversed())
            model = try ShareAttention([ShareAttention.Span(2...3, headMaps: [3: heads])]).apply(to: model).model
        }
        let path = TestModel.resource(name)
        var model = try Model(try Checkpoint.open(path))
        try share(&model)
        model = FoldNorms(widensMatrices: true).apply(to: model).model
        #expect(model.evaluationSpans == [0..<1, 1..<4, 4..<5])
        try Self.expectBits(try TestModel(path, precision: .f32, adjust: share).logits(of: Self.tokens), of: model)
    }

    private static func expectBits(_ expected: [[Float]], of model: Model) throws {
        let states = try Self.lastStates(of: model)
        let rows = Array(Self.tokens.indices)
        let found = try HeadEvaluation(model).distributions(of: rows, in: states)
        #expect(found.map { $0.logits.map(\.bitPattern) } == expected.map { $0.map(\.bitPattern) })
    }

    @Test("every matrix's input is seen once, together or alone")
    func observation() throws {
        let model = try Model(try Checkpoint.open(TestModel.resource("llama")))
        var seen: [LayerTensor] = []
        var first: [LayerMatrix: [Float]] = [:]
        _ = try Self.lastStates(of: model) { tensor, buffer in
            seen.append(tensor)
            #expect(buffer.rowCount == Self.tokens.count)
            if tensor.layer == 0 { first[tensor.matrix] = Array(buffer.values) }
        }
        #expect(
            seen
                == model.blocks.indices.flatMap { layer in
                    LayerMatrix.allCases.map { LayerTensor(layer: layer, matrix: $0) }
                })
        let states = HiddenStates(tokens: Self.tokens, embedding: model.embedding)
        let layer = try SpanEvaluation(0..<1, of: model, chunkLength: Self.tokens.count)
        for matrix in LayerMatrix.allCases {
            var alone: [[Float]] = []
            try layer.observe(LayerTensor(layer: 0, matrix: matrix), of: states, rows: 0..<Self.tokens.count) {
                alone.append(Array($0.values))
            }
            #expect(alone == [first[matrix] ?? []])
            #expect(alone.first?.count ?? 0 >= Self.tokens.count * matrix.stack(of: model.blocks[0])[0].columns)
        }
    }

    @Test("the final norm by itself gives what the whole model's head reads", arguments: ["llama3", "qwen3"])
    func finalNorm(_ name: String) throws {
        let model = try Model(try Checkpoint.open(TestModel.resource(name)))
        let states = try Self.lastStates(of: model)
        let rows = 5..<17
        let found = try FinalNormEvaluation(model, chunkLength: rows.count).run(states, rows: rows)
        let weights = model.finalNorm.values ?? []
        for (index, row) in rows.enumerated() {
            let values = states[row].map(Double.init)
            let square = values.reduce(0) { $0 + $1 * $1 } / Double(values.count)
            let scale = 1 / (square + Double(model.finalNorm.epsilon)).squareRoot()
            for (column, value) in found[index].enumerated() {
                let expected = values[column] * scale * Double(weights[column])
                #expect(abs(Double(value) - expected) < 1e-5 * max(1, abs(expected)))
            }
        }
    }

    @Test("a prediction's divergence is that of its formula; from itself it is nothing")
    func divergence() throws {
        let model = try Model(try Checkpoint.open(TestModel.resource("llama3")))
        let states = try Self.lastStates(of: model)
        let head = try HeadEvaluation(model)
        let rows = Array(0..<states.count - 1)
        let expected = try head.distributions(of: rows, in: states)
        #expect(try head.divergence(of: rows, in: states, from: expected) < 1e-6)
        // The next row's states in place of each row's own.
        let shifted = HiddenStates(count: states.count, width: states.width)
        for row in rows { states.withRow(row + 1) { shifted.set(row, to: UnsafeBufferPointer($0)) } }
        let found = try head.divergence(of: rows, in: shifted, from: expected)
        let others = try head.distributions(of: rows, in: shifted)
        var sum = 0.0
        for (one, other) in zip(expected, others) {
            let (p, q) = (Self.logProbabilities(one.logits), Self.logProbabilities(other.logits))
            sum += zip(p, q).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) }
        }
        let formula = sum / Double(rows.count)
        #expect(formula > 1e-3 && abs(found - formula) < 1e-5 * max(1, formula))
    }

    private static func logProbabilities(_ logits: [Float]) -> [Double] {
        let total = log(logits.reduce(0.0) { $0 + exp(Double($1)) })
        return logits.map { Double($0) - total }
    }
}
