import Lowering
import Models

/// A model and what becomes of it layer after layer, with the hidden states of calibration text before the layer that is next.
///
/// What is fitted to a layer reads what the already changed layers before it give, and is to bring the residual stream where
/// the original model has it. So errors do not compound, and no gradient goes through the network. The changed model is run as a
/// plan of its precision will run it: what is fitted makes up for rounding too.
final class PrefixPair {
    let original: Model
    var changed: Model
    let tokens: CalibrationTokens
    /// Of the changed model; the original one is float32.
    let precision: WeightPrecision
    /// What was fitted to the changed model, as the plan has it.
    private(set) var packed: [LayerTensor: PackedMatrix] = [:]
    /// Before the layer that is next, in both models; one and the same before the first change.
    private(set) var originalStates: HiddenStates
    private(set) var changedStates: HiddenStates
    /// Behind the layer that was traced last, in the original model.
    private var behind: (layer: Int, states: HiddenStates)?

    init(
        original: Model, changed: Model, tokens: CalibrationTokens, precision: WeightPrecision
    ) throws(CompileError) {
        self.original = original
        self.changed = changed
        self.tokens = tokens
        self.precision = precision
        originalStates = HiddenStates(tokens: tokens.tokens, embedding: original.embedding)
        changedStates =
            precision == .f32 ? originalStates : try HiddenStates(embedding: tokens, of: changed, precision: precision)
    }

    /// Some layers of the changed model, or of one that takes its place.
    func evaluation(
        _ layers: Range<Int>, of model: Model, seeing matrix: LayerMatrix
    ) throws(CompileError) -> SpanEvaluation {
        try SpanEvaluation(
            layers, of: model, precision: precision, packed: packed, seeing: matrix, chunkLength: tokens.chunkLength)
    }

    /// Takes what was fitted to a matrix into the plan of the changed model.
    func keep(_ result: ResidualFit.Result, _ matrix: LayerTensor) { packed[matrix] = result.packed }

    /// The output projection of a layer's attention, for the mixer that the changed model has there.
    func fitOutput(_ prior: Weight, _ layer: Int, _ span: Range<Int>) throws(CompileError) -> ResidualFit.Result {
        let fit = try ResidualFit(prior)
        try forEachTrace(layer, span, seeing: .attentionOutput) { chunk, original, changed, read throws(CompileError) in
            try fit.add(chunk, inputs: read, from: changed.before, to: original.behindAttention)
        }
        return try fit.result(precision)
    }

    /// The last matrix of a layer's feed-forward.
    func fitDown(_ prior: Weight, _ layer: Int, _ span: Range<Int>) throws(CompileError) -> ResidualFit.Result {
        let fit = try ResidualFit(prior)
        try forEachTrace(layer, span, seeing: .down) { chunk, original, changed, read throws(CompileError) in
            try fit.add(chunk, inputs: read, from: changed.behindAttention, to: original.behind)
        }
        return try fit.result(precision)
    }

    /// Calls `body` for every chunk with what a layer of a span does in both models, and what one of its matrices reads in the
    /// changed one.
    private func forEachTrace(
        _ layer: Int, _ span: Range<Int>, seeing matrix: LayerMatrix,
        _ body: (
            _ chunk: Int, _ original: LayerTrace, _ changed: LayerTrace, _ read: HiddenStates
        ) throws(CompileError) -> Void
    ) throws(CompileError) {
        let layers = span.lowerBound..<layer + 1
        let before = try SpanEvaluation(layers, of: original, chunkLength: tokens.chunkLength)
        let after = try evaluation(layers, of: changed, seeing: matrix)
        let next = HiddenStates(like: originalStates)
        for chunk in 0..<tokens.chunkCount {
            let rows = tokens.rows(of: chunk)
            let trace = try before.trace(originalStates, rows: rows)
            next.set(rows, to: trace.behind)
            let other = try after.trace(changedStates, rows: rows)
            guard let read = other.read[matrix] else { throw .calibration(.noRows) }
            try body(chunk, trace, other, read)
        }
        behind = (layer, next)
    }

    /// Goes on behind a span; `isChanged` tells whether the models differ in it.
    func advance(_ span: Range<Int>, isChanged: Bool) throws(CompileError) {
        if isChanged, originalStates === changedStates { changedStates = HiddenStates(copying: originalStates) }
        if originalStates !== changedStates {
            try changedStates.advance(through: span, of: changed, tokens, precision: precision, packed: packed)
        }
        if let behind, behind.layer == span.upperBound - 1, originalStates !== changedStates {
            originalStates = behind.states
        } else {
            try originalStates.advance(through: span, of: original, tokens)
        }
        behind = nil
    }
}
