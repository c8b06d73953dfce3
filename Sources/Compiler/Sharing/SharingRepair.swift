import Models
import Passes

/// Fits what is left of receivers to what their layers did before they shared attention weights.
///
/// Layer after layer, on calibration text: the output projection of a receiver, and then the last matrix of its
/// feed-forward, are changed by ridge regression so that the residual stream behind them comes close to that of the
/// original model, from what the already changed layers before them give. So errors do not compound, and no gradient goes
/// through the network.
final class SharingRepair {
    /// What became of one receiver.
    struct Outcome {
        let layer: Int
        let output: ResidualFit.Result
        let down: ResidualFit.Result
    }

    private let original: Model
    private var changed: Model
    private let tokens: CalibrationTokens
    /// Before the layer that is next, in both models; one and the same before the first receiver.
    private var originalStates: HiddenStates
    private var changedStates: HiddenStates
    private(set) var outcomes: [Outcome] = []

    init(original: Model, shared: Model, tokens: CalibrationTokens) {
        self.original = original
        changed = shared
        self.tokens = tokens
        originalStates = HiddenStates(tokens: tokens.tokens, embedding: original.embedding)
        changedStates = originalStates
    }

    /// The shared model with its receivers fitted.
    func run(progress: Compilation.Progress) throws(CompileError) -> Model {
        let spans = changed.evaluationSpans
        guard let last = spans.last(where: { $0.count > 1 }) else { return changed }
        for span in spans.prefix(while: { $0.lowerBound <= last.lowerBound }) {
            for layer in span.dropFirst() { try fit(layer, span) }
            try advance(span)
            progress("repairing", Double(span.upperBound) / Double(last.upperBound))
        }
        return changed
    }

    private func fit(_ layer: Int, _ span: Range<Int>) throws(CompileError) {
        guard case .sharedAttention(var attention) = changed.blocks[layer].mixer,
            case .gated(let gate, let up, var down) = changed.blocks[layer].feedForward
        else { return }
        let outputFit = try ResidualFit(attention.output.weight)
        try forEachTrace(layer, span) { chunk, original, changed throws(CompileError) in
            try outputFit.add(chunk, inputs: changed.mixed, from: changed.before, to: original.behindAttention)
        }
        let output = try outputFit.result()
        attention.output.weight = output.weight
        changed.blocks[layer].mixer = .sharedAttention(attention)
        let downFit = try ResidualFit(down.weight)
        try forEachTrace(layer, span) { chunk, original, changed throws(CompileError) in
            try downFit.add(chunk, inputs: changed.gated, from: changed.behindAttention, to: original.behind)
        }
        let found = try downFit.result()
        down.weight = found.weight
        changed.blocks[layer].feedForward = .gated(gate: gate, up: up, down: down)
        outcomes.append(Outcome(layer: layer, output: output, down: found))
    }

    /// Calls `body` for every chunk with what a layer of a span does in both models.
    private func forEachTrace(
        _ layer: Int, _ span: Range<Int>,
        _ body: (_ chunk: Int, _ original: LayerTrace, _ changed: LayerTrace) throws(CompileError) -> Void
    ) throws(CompileError) {
        let layers = span.lowerBound..<layer + 1
        let before = try SpanEvaluation(layers, of: original, chunkLength: tokens.chunkLength)
        let after = try SpanEvaluation(layers, of: changed, chunkLength: tokens.chunkLength)
        for chunk in 0..<tokens.chunkCount {
            let rows = tokens.rows(of: chunk)
            try body(chunk, before.trace(originalStates, rows: rows), after.trace(changedStates, rows: rows))
        }
    }

    private func advance(_ span: Range<Int>) throws(CompileError) {
        if span.count > 1, originalStates === changedStates { changedStates = HiddenStates(copying: originalStates) }
        if originalStates !== changedStates { try changedStates.advance(through: span, of: changed, tokens) }
        try originalStates.advance(through: span, of: original, tokens)
    }
}
