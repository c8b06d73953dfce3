import Models
import Passes

/// Fits what is left of receivers to what their layers did before they shared attention weights.
///
/// Layer after layer, on calibration text: the heads of a receiver are given other ones of the donor's (`HeadSelection`),
/// and its output projection, and then the last matrix of its feed-forward, are changed by ridge regression so that the
/// residual stream behind them comes close to that of the original model, from what the already changed layers before them
/// give. So errors do not compound, and no gradient goes through the network.
final class SharingRepair {
    /// What became of one receiver.
    struct Outcome {
        let layer: Int
        let output: ResidualFit.Result
        let down: ResidualFit.Result
    }

    /// Of what a layer adds to the residual stream, a share that is not worth fitting.
    private static let negligible = 1e-6

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
        var output = try fitOutput(of: attention, layer, span)
        if output.priorError > SharingRepair.negligible, let map = try selectHeads(of: attention, layer, span) {
            var selected = attention
            selected.headMap = map
            let found = try fitOutput(of: selected, layer, span)
            if found.error < output.error {
                output = ResidualFit.Result(
                    weight: found.weight, priorError: output.priorError, error: found.error, strength: found.strength)
                attention = selected
            }
        }
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

    /// The output projection for a mixer in the place of the receiver's.
    private func fitOutput(
        of attention: SharedAttention, _ layer: Int, _ span: Range<Int>
    ) throws(CompileError) -> ResidualFit.Result {
        changed.blocks[layer].mixer = .sharedAttention(attention)
        let fit = try ResidualFit(attention.output.weight)
        try forEachTrace(layer, span) { chunk, original, changed throws(CompileError) in
            try fit.add(chunk, inputs: changed.mixed, from: changed.before, to: original.behindAttention)
        }
        return try fit.result()
    }

    /// Nil where there are too many heads to try.
    private func selectHeads(
        of attention: SharedAttention, _ layer: Int, _ span: Range<Int>
    ) throws(CompileError) -> [Int]? {
        guard let selection = try HeadSelection(attention, width: originalStates.width) else { return nil }
        let layers = span.lowerBound..<layer + 1
        let before = try SpanEvaluation(layers, of: original, chunkLength: tokens.chunkLength)
        var trials: [SpanEvaluation] = []
        for map in selection.trials {
            var model = changed
            var mixer = attention
            mixer.headMap = map
            model.blocks[layer].mixer = .sharedAttention(mixer)
            trials.append(try SpanEvaluation(layers, of: model, chunkLength: tokens.chunkLength))
        }
        for chunk in 0..<tokens.chunkCount where !ResidualFit.validates(chunk) {
            let rows = tokens.rows(of: chunk)
            var traces: [LayerTrace] = []
            for trial in trials { traces.append(try trial.trace(changedStates, rows: rows)) }
            guard let start = traces.first?.before else { continue }
            try selection.add(
                traces.map(\.mixed), from: start, to: before.trace(originalStates, rows: rows).behindAttention)
        }
        return try selection.headMap(replacing: attention.headMap)
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
