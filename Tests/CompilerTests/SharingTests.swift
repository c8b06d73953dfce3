import Checkpoints
import Foundation
import Lowering
import Models
import Passes
import Testing

@testable import Compiler

@Suite("Choosing and repairing layers that share attention weights")
struct SharingTests {
    /// Chunks of 64 tokens.
    private static func tokens(chunks: Int) throws -> CalibrationTokens {
        let tokens = (0..<chunks * 64).map { (index: Int) -> UInt32 in
            let mixed = index * 7919 + index / 64 * 104_729 + index * index * 31
            return UInt32(mixed % 256)
        }
        return CalibrationTokens(tokens: tokens[...], chunkLength: 64)
    }

    /// Five layers; the third reads what the second one read, with its queries and keys: it can use its weights for free.
    private static func model() throws -> Model {
        var model = try Model(try Checkpoint.open(TestModel.resource("llama3")))
        let (first, second) = (model.blocks[0], model.blocks[1])
        var silent = second
        guard case .attention(var attention) = silent.mixer,
            case .gated(let gate, let up, var down) = silent.feedForward
        else { return model }
        let zeros = [Float](repeating: 0, count: max(attention.output.weight.columns, down.weight.columns))
        attention.output.weight.transforms.append(
            .columnsScaled(by: Array(zeros.prefix(attention.output.weight.columns))))
        down.weight.transforms.append(.columnsScaled(by: Array(zeros.prefix(down.weight.columns))))
        silent.mixer = .attention(attention)
        silent.feedForward = .gated(gate: gate, up: up, down: down)
        model.blocks = [first, silent, second, first, second]
        return model
    }

    @Test("weights of a layer sum to 1 and give what its heads return", arguments: ["llama3", "qwen3"])
    func weights(name: String) throws {
        let model = try Model(try Checkpoint.open(TestModel.resource(name)))
        let tokens = try Self.tokens(chunks: 1)
        let states = HiddenStates(tokens: tokens.tokens, embedding: model.embedding)
        guard case .attention(let attention) = model.blocks[0].mixer else { return }
        let rows = [0, 5, 31, 63]
        let found = try AttentionCapture(0, of: model, chunkLength: 64).weights(of: rows, in: states, chunk: 0..<64)
        let trace = try SpanEvaluation(0..<1, of: model, chunkLength: 64).trace(states, rows: 0..<64)
        let normalized = try #require(trace.read[.projection])
        let mixed = try #require(trace.read[.attentionOutput])
        let value = attention.value.weight.values()
        let bias = attention.value.bias?.values()
        let (columns, dimensions) = (attention.value.weight.columns, attention.dimensions)
        for (index, row) in rows.enumerated() {
            for head in 0..<attention.queryHeads {
                let weights = found.withRow(head: head, index: index) { $0.map(Double.init) }
                #expect(abs(weights.reduce(0, +) - 1) < 1e-5)
                #expect(weights[(row + 1)...].allSatisfy { $0 == 0 })
                let keyHead = head * attention.keyHeads / attention.queryHeads
                for dimension in 0..<dimensions {
                    let channel = keyHead * dimensions + dimension
                    var expected = 0.0
                    for position in 0...row {
                        let input = normalized[position]
                        var product = Double(bias?[channel] ?? 0)
                        for column in 0..<columns {
                            product += Double(value[channel * columns + column]) * Double(input[column])
                        }
                        expected += weights[position] * product
                    }
                    #expect(abs(Double(mixed[row][head * dimensions + dimension]) - expected) < 1e-4)
                }
            }
        }
    }

    @Test("layers with the same queries, keys and inputs have cosine 1, head by head")
    func similarity() throws {
        let similarity = try AttentionSimilarity(try Self.model(), tokens: try Self.tokens(chunks: 3))
        let same = try #require(similarity[2, 1])
        for cosine in same.withSink + same.withoutSink { #expect(abs(cosine - 1) < 1e-6) }
        #expect(same.bestHeads == [0, 1, 2, 3])
        let other = try #require(similarity[1, 0])
        #expect(other.withoutSink.allSatisfy { $0 < 0.999 })
        #expect(similarity[0, 1] == nil)
    }

    @Test("a layer that costs nothing is the first receiver")
    func search() throws {
        let (model, tokens) = (try Self.model(), try Self.tokens(chunks: 4))
        let similarity = try AttentionSimilarity(model, tokens: tokens)
        let search = try LayerSearch(sharingIn: model, tokens: tokens, similarity: similarity)
        try search.grow(to: 2, progress: { _, _ in })
        // The second layer adds nothing to the stream, whatever its weights; the third one has those of the second.
        #expect(search.alone.filter { $0.value < 1e-6 }.map(\.key).sorted() == [1, 2])
        #expect(search.alone.keys.sorted() == [1, 2, 3, 4])
        try #require(search.steps.count == 2)
        #expect([1, 2].contains(search.steps[0].layer) && search.steps[0].divergence < 1e-6)
        #expect(search.steps[1].divergence > 1e-5)
        // What the steps say is what the model with these spans does.
        let changed = try ShareAttention(ShareAttention.Span.spans(of: search.layers(first: 2), similarity)).apply(
            to: model
        ).model
        let (before, after) = (
            try HiddenStates(behind: model, tokens), try HiddenStates(behind: changed, tokens)
        )
        let head = try HeadEvaluation(model)
        let rows = Array(8..<tokens.tokens.count)
        let expected = try head.distributions(of: rows, in: before)
        let divergence = try head.divergence(of: rows, in: after, from: expected)
        #expect(abs(divergence / search.steps[1].divergence - 1) < 0.2)
    }

    @Test("repair leaves a free receiver alone and brings the residual stream of others closer")
    func repair() throws {
        let (model, tokens) = (try Self.model(), try Self.tokens(chunks: 24))
        let spans = [ShareAttention.Span(2...2), ShareAttention.Span(4...4)]
        let shared = try ShareAttention(spans).apply(to: model).model
        let repair = try SharingRepair(original: model, shared: shared, tokens: tokens, precision: .f32)
        let repaired = try repair.run(progress: { _, _ in })
        try #require(repair.outcomes.map(\.layer) == [2, 4])
        #expect(repair.outcomes[0].output.priorError < 1e-9)
        let output = repair.outcomes[1].output
        #expect(output.error < 0.9 * output.priorError && output.strength != nil)
        // On text that it has not seen.
        let others = CalibrationTokens(
            tokens: (0..<64).map { UInt32(($0 as Int * 131 + 17) % 256) }[...], chunkLength: 64)
        func distance(_ changed: Model) throws -> Double {
            let (one, other) = (try HiddenStates(behind: model, others), try HiddenStates(behind: changed, others))
            return (0..<one.count).reduce(0.0) { sum, row in
                zip(one[row], other[row]).reduce(sum) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
            }
        }
        #expect(try distance(repaired) < 0.9 * distance(shared))
    }

    @Test("repair makes up for rounding where it knows how the plan rounds", arguments: [WeightPrecision.w2, .w3])
    func repairOfRounded(precision: WeightPrecision) throws {
        let (model, tokens) = (try Self.model(), try Self.tokens(chunks: 24))
        let shared = try ShareAttention([ShareAttention.Span(2...2), ShareAttention.Span(4...4)]).apply(to: model).model
        let others = CalibrationTokens(
            tokens: (0..<64).map { UInt32(($0 as Int * 131 + 17) % 256) }[...], chunkLength: 64)
        let exact = try HiddenStates(behind: model, others)
        // How far the stream of the rounded plan is from the original model's.
        func distance(repairedFor known: WeightPrecision) throws -> Double {
            let repair = try SharingRepair(original: model, shared: shared, tokens: tokens, precision: known)
            let repaired = try repair.run(progress: { _, _ in })
            let states = try HiddenStates(embedding: others, of: repaired, precision: precision)
            for span in repaired.evaluationSpans {
                try states.advance(
                    through: span, of: repaired, others, precision: precision, packed: repair.packed)
            }
            return (0..<exact.count).reduce(0.0) { sum, row in
                zip(exact[row], states[row]).reduce(sum) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
            }
        }
        let (known, unknown) = (try distance(repairedFor: precision), try distance(repairedFor: .f32))
        #expect(known < 0.95 * unknown)
    }

    @Test(
        "what is fitted is rounded against what it reads, on the grid of its plan",
        arguments: [WeightPrecision.w2, .w4, .keep])
    func rounding(precision: WeightPrecision) throws {
        let (model, tokens) = (try Self.model(), try Self.tokens(chunks: 24))
        let shared = try ShareAttention([ShareAttention.Span(4...4)]).apply(to: model).model
        let pair = try PrefixPair(original: model, changed: shared, tokens: tokens, precision: precision)
        try pair.advance(0..<3, isChanged: false)
        guard case .sharedAttention(let attention) = shared.blocks[4].mixer else {
            Issue.record("the fifth layer is no receiver")
            return
        }
        let fitted = try pair.fitOutput(attention.output.weight, 4, 3..<5)
        let packed = try #require(fitted.packed)
        let option = try #require(precision.fittedOption(columns: packed.columns))
        #expect(packed.packing == option.packing && packed.rows == attention.output.weight.rows)
        // What the attention adds to the stream of unseen text, as it is fitted and as it is rounded in two ways.
        let others = CalibrationTokens(
            tokens: (0..<64).map { UInt32(($0 as Int * 131 + 17) % 256) }[...], chunkLength: 64)
        let states = HiddenStates(tokens: others.tokens, embedding: model.embedding)
        try states.advance(through: 0..<3, of: model, others)
        var repaired = shared
        var mixer = attention
        mixer.output.weight = fitted.weight
        repaired.blocks[4].mixer = .sharedAttention(mixer)
        let output = LayerTensor(layer: 4, matrix: .attentionOutput)
        func stream(_ choice: PackedMatrix?) throws -> HiddenStates {
            try SpanEvaluation(
                3..<5, of: repaired, packed: choice.map { [output: $0] } ?? [:], chunkLength: 64
            ).behindAttention(states, rows: 0..<64)
        }
        let exact = try stream(nil)
        func distance(_ choice: PackedMatrix?) throws -> Double {
            let found = try stream(choice)
            return (0..<64).reduce(0.0) { sum, row in
                zip(exact[row], found[row]).reduce(sum) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
            }
        }
        let nearest = PackedMatrix(
            try DenseMatrix([fitted.weight]).quantized(by: .nearest, option), packing: option.packing)
        #expect(try distance(packed) < 0.8 * distance(nearest))
        #expect(try pair.fitOutput(attention.output.weight, 4, 3..<5).packed?.bytes == packed.bytes)
    }

    @Test("floating point has nothing to round")
    func floating() {
        #expect(WeightPrecision.f32.fittedOption(columns: 64) == nil)
        #expect(WeightPrecision.bf16.fittedOption(columns: 64) == nil)
        #expect(WeightPrecision.w4.fittedOption(columns: 65) == nil)
    }
}
