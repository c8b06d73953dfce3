import Models

/// A model and what becomes of it layer after layer, with the hidden states of calibration text before the layer that is next.
///
/// What is fitted to a layer reads what the already changed layers before it give, and is to bring the residual stream where
/// the original model has it. So errors do not compound, and no gradient goes through the network.
final class PrefixPair {
    let original: Model
    var changed: Model
    let tokens: CalibrationTokens
    /// Before the layer that is next, in both models; one and the same before the first change.
    private(set) var originalStates: HiddenStates
    private(set) var changedStates: HiddenStates
    /// Behind the layer that was traced last, in the original model.
    private var behind: (layer: Int, states: HiddenStates)?

    init(original: Model, changed: Model, tokens: CalibrationTokens) {
        self.original = original
        self.changed = changed
        self.tokens = tokens
        originalStates = HiddenStates(tokens: tokens.tokens, embedding: original.embedding)
        changedStates = originalStates
    }

    /// The output projection of a layer's attention, for the mixer that the changed model has there.
    func fitOutput(_ prior: Weight, _ layer: Int, _ span: Range<Int>) throws(CompileError) -> ResidualFit.Result {
        let fit = try ResidualFit(prior)
        try forEachTrace(layer, span) { chunk, original, changed throws(CompileError) in
            try fit.add(chunk, inputs: changed.mixed, from: changed.before, to: original.behindAttention)
        }
        return try fit.result()
    }

    /// The last matrix of a layer's feed-forward.
    func fitDown(_ prior: Weight, _ layer: Int, _ span: Range<Int>) throws(CompileError) -> ResidualFit.Result {
        let fit = try ResidualFit(prior)
        try forEachTrace(layer, span) { chunk, original, changed throws(CompileError) in
            try fit.add(chunk, inputs: changed.gated, from: changed.behindAttention, to: original.behind)
        }
        return try fit.result()
    }

    /// Calls `body` for every chunk with what a layer of a span does in both models.
    private func forEachTrace(
        _ layer: Int, _ span: Range<Int>,
        _ body: (_ chunk: Int, _ original: LayerTrace, _ changed: LayerTrace) throws(CompileError) -> Void
    ) throws(CompileError) {
        let layers = span.lowerBound..<layer + 1
        let before = try SpanEvaluation(layers, of: original, chunkLength: tokens.chunkLength)
        let after = try SpanEvaluation(layers, of: changed, chunkLength: tokens.chunkLength)
        let next = HiddenStates(like: originalStates)
        for chunk in 0..<tokens.chunkCount {
            let rows = tokens.rows(of: chunk)
            let trace = try before.trace(originalStates, rows: rows)
            next.set(rows, to: trace.behind)
            try body(chunk, trace, after.trace(changedStates, rows: rows))
        }
        behind = (layer, next)
    }

    /// Goes on behind a span; `isChanged` tells whether the models differ in it.
    func advance(_ span: Range<Int>, isChanged: Bool) throws(CompileError) {
        if isChanged, originalStates === changedStates { changedStates = HiddenStates(copying: originalStates) }
        if originalStates !== changedStates { try changedStates.advance(through: span, of: changed, tokens) }
        if let behind, behind.layer == span.upperBound - 1, originalStates !== changedStates {
            originalStates = behind.states
        } else {
            try originalStates.advance(through: span, of: original, tokens)
        }
        behind = nil
    }
}
