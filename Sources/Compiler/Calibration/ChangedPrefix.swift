import Lowering
import Models

/// A model whose layers are changed one after the other, with the hidden states of calibration text before the layer that is
/// next.
///
/// What is fitted to a layer reads what the already changed layers before it give, and is to add to the residual stream what
/// the layer would add there as it was. Unlike `PrefixPair`, nothing is to make up for what those before it have lost: what no
/// longer reaches a layer cannot be brought back by it.
final class ChangedPrefix {
    let original: Model
    var changed: Model
    let tokens: CalibrationTokens
    /// Of the changed model; the original one is float32.
    let precision: WeightPrecision
    /// What was fitted to the changed model, as the plan has it.
    var packed: [LayerTensor: PackedMatrix]
    /// Before the layer that is next, in the changed model.
    let states: HiddenStates

    /// `packed` is what passes before have fitted.
    init(
        _ original: Model, tokens: CalibrationTokens, precision: WeightPrecision,
        packed: [LayerTensor: PackedMatrix] = [:]
    ) throws(CompileError) {
        (self.original, changed, self.tokens) = (original, original, tokens)
        (self.precision, self.packed) = (precision, packed)
        states =
            precision == .f32
            ? HiddenStates(tokens: tokens.tokens, embedding: original.embedding)
            : try HiddenStates(embedding: tokens, of: original, precision: precision)
    }

    /// Output projections of the attention of a span's layer, one for the mixer that each of `candidates` has there.
    func fitOutputs(
        of candidates: [Model], _ layer: Int, _ span: Range<Int>
    ) throws(CompileError) -> [ResidualFit.Result] {
        let layers = span.lowerBound..<layer + 1
        let before = try SpanEvaluation(layers, of: original, chunkLength: tokens.chunkLength)
        var fits: [(evaluation: SpanEvaluation, fit: ResidualFit)] = []
        for candidate in candidates {
            guard case .attention(let attention) = candidate.blocks[layer].mixer else { continue }
            fits.append(
                (
                    try SpanEvaluation(
                        layers, of: candidate, precision: precision, packed: packed, seeing: .attentionOutput,
                        chunkLength: tokens.chunkLength),
                    try ResidualFit(attention.output.weight)
                ))
        }
        let output = LayerTensor(layer: layer, matrix: .attentionOutput)
        for chunk in 0..<tokens.chunkCount {
            let rows = tokens.rows(of: chunk)
            let start = HiddenStates(rows, of: states)
            let behind = try before.behindAttention(states, rows: rows)
            for (evaluation, fit) in fits {
                let mixed = HiddenStates(count: rows.count, width: fit.width)
                try evaluation.observe(output, of: states, rows: rows) { mixed.set(to: $0) }
                try fit.add(chunk, inputs: mixed, from: start, to: behind)
            }
        }
        var results: [ResidualFit.Result] = []
        for (_, fit) in fits { results.append(try fit.result(precision)) }
        return results
    }

    /// Goes on behind a span.
    func advance(_ span: Range<Int>) throws(CompileError) {
        try states.advance(through: span, of: changed, tokens, precision: precision, packed: packed)
    }
}
