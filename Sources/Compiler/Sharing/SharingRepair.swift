import Lowering
import Models
import Passes

/// Fits what is left of receivers to what their layers did before they shared attention weights.
///
/// Layer after layer, on calibration text: the heads of a receiver are given other ones of the donor's (`HeadSelection`),
/// and its output projection, and then the last matrix of its feed-forward, are changed by ridge regression so that the
/// residual stream behind them comes close to that of the original model, from what the already changed layers before them
/// give (`PrefixPair`).
final class SharingRepair {
    /// What became of one receiver.
    struct Outcome {
        let layer: Int
        let output: ResidualFit.Result
        let down: ResidualFit.Result
    }

    /// Of what a layer adds to the residual stream, a share that is not worth fitting.
    private static let negligible = 1e-6

    private let pair: PrefixPair
    /// What was fitted, as the plan has it.
    var packed: [LayerTensor: PackedMatrix] { pair.packed }
    private(set) var outcomes: [Outcome] = []

    /// The shared model is fitted as a plan of `precision` will run it.
    init(
        original: Model, shared: Model, tokens: CalibrationTokens, precision: WeightPrecision
    ) throws(CompileError) {
        pair = try PrefixPair(original: original, changed: shared, tokens: tokens, precision: precision)
    }

    /// The shared model with its receivers fitted.
    func run(progress: Compilation.Progress) throws(CompileError) -> Model {
        let spans = pair.changed.evaluationSpans
        guard let last = spans.last(where: { $0.count > 1 }) else { return pair.changed }
        for span in spans.prefix(while: { $0.lowerBound <= last.lowerBound }) {
            for layer in span.dropFirst() { try fit(layer, span) }
            try pair.advance(span, isChanged: span.count > 1)
            progress("repairing", Double(span.upperBound) / Double(last.upperBound))
        }
        return pair.changed
    }

    private func fit(_ layer: Int, _ span: Range<Int>) throws(CompileError) {
        guard case .sharedAttention(var attention) = pair.changed.blocks[layer].mixer,
            case .gated(let gate, let up, var down) = pair.changed.blocks[layer].feedForward
        else { return }
        var output = try fitOutput(of: attention, layer, span)
        if output.priorError > SharingRepair.negligible, let map = try selectHeads(of: attention, layer, span) {
            var selected = attention
            selected.headMap = map
            let found = try fitOutput(of: selected, layer, span)
            if found.error < output.error {
                output = ResidualFit.Result(
                    weight: found.weight, priorError: output.priorError, error: found.error, strength: found.strength,
                    packed: found.packed)
                attention = selected
            }
        }
        attention.output.weight = output.weight
        pair.changed.blocks[layer].mixer = .sharedAttention(attention)
        pair.keep(output, LayerTensor(layer: layer, matrix: .attentionOutput))
        let found = try pair.fitDown(down.weight, layer, span)
        pair.keep(found, LayerTensor(layer: layer, matrix: .down))
        down.weight = found.weight
        pair.changed.blocks[layer].feedForward = .gated(gate: gate, up: up, down: down)
        outcomes.append(Outcome(layer: layer, output: output, down: found))
    }

    /// The output projection for a mixer in the place of the receiver's.
    private func fitOutput(
        of attention: SharedAttention, _ layer: Int, _ span: Range<Int>
    ) throws(CompileError) -> ResidualFit.Result {
        pair.changed.blocks[layer].mixer = .sharedAttention(attention)
        return try pair.fitOutput(attention.output.weight, layer, span)
    }

    /// Nil where there are too many heads to try.
    private func selectHeads(
        of attention: SharedAttention, _ layer: Int, _ span: Range<Int>
    ) throws(CompileError) -> [Int]? {
        guard let selection = try HeadSelection(attention, width: pair.originalStates.width) else { return nil }
        let layers = span.lowerBound..<layer + 1
        let before = try SpanEvaluation(layers, of: pair.original, chunkLength: pair.tokens.chunkLength)
        var trials: [SpanEvaluation] = []
        for map in selection.trials {
            var model = pair.changed
            var mixer = attention
            mixer.headMap = map
            model.blocks[layer].mixer = .sharedAttention(mixer)
            trials.append(try pair.evaluation(layers, of: model, seeing: .attentionOutput))
        }
        for chunk in 0..<pair.tokens.chunkCount where !ResidualFit.validates(chunk) {
            let rows = pair.tokens.rows(of: chunk)
            var traces: [LayerTrace] = []
            for trial in trials { traces.append(try trial.trace(pair.changedStates, rows: rows)) }
            guard let start = traces.first?.before else { continue }
            try selection.add(
                traces.compactMap { $0.read[.attentionOutput] }, from: start,
                to: before.behindAttention(pair.originalStates, rows: rows))
        }
        return try selection.headMap(replacing: attention.headMap)
    }
}
