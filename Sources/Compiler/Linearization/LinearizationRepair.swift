import Lowering
import Models
import Passes

/// Fits linearized layers to what they did before: what their forms are made of, then the output projection by ridge
/// regression, layer after layer (`ChangedPrefix`). The feed-forward behind has next to nothing left to repair.
final class LinearizationRepair {
    /// What became of one layer.
    struct Outcome {
        let layer: Int
        /// Shares of the energy of the heads' outputs that are missed on chunks that were not fitted: with features behind the
        /// window, and with the window alone. Nil for other forms.
        let features: (fitted: Double, window: Double)?
        let output: ResidualFit.Result
    }

    /// Chunks whose heads are fitted to at the most: their memory adds up.
    private static let mostChunks = 24

    private let prefix: ChangedPrefix

    /// The linearized model is fitted as a plan of `precision` will run it; `packed` is what passes before have fitted.
    init(
        original: Model, tokens: CalibrationTokens, precision: WeightPrecision,
        packed: [LayerTensor: PackedMatrix] = [:]
    ) throws(CompileError) {
        prefix = try ChangedPrefix(original, tokens: tokens, precision: precision, packed: packed)
    }

    /// What was fitted, now and before, as the plan has it.
    var packed: [LayerTensor: PackedMatrix] { prefix.packed }

    /// The model with all layers linearized and fitted, each behind those before it. Throws where a form is refused.
    func run(
        _ forms: [Int: LinearForm], progress: Compilation.Progress
    ) throws(CompileError) -> (model: Model, outcomes: [Outcome]) {
        var outcomes: [Outcome] = []
        try forEachSpan(to: forms.keys.max(), progress) { layer, span throws(CompileError) in
            guard let form = forms[layer] else { return }
            let starts = [try start(layer, form)]
            for (block, outcome) in try fitOutputs(starts, layer, span) {
                keep(block, outcome)
                outcomes.append(outcome)
            }
        }
        return (prefix.changed, outcomes)
    }

    /// Layers, each linearized and fitted in each of some forms, as the only one, or behind those before it in their first
    /// forms; forms whose fit does not converge are left out.
    func runEach(
        _ forms: [Int: [LinearForm]], alone: Bool, progress: Compilation.Progress
    ) throws(CompileError) -> [Int: [(form: LinearForm, block: Block)]] {
        var found: [Int: [(form: LinearForm, block: Block)]] = [:]
        try forEachSpan(to: forms.keys.max(), progress) { layer, span throws(CompileError) in
            var starts: [Start] = []
            var kept: [LinearForm] = []
            for form in forms[layer] ?? [] {
                do throws(CompileError) {
                    starts.append(try start(layer, form))
                    kept.append(form)
                } catch .linearization(.notConverged) {
                    // Others may do.
                }
            }
            guard !starts.isEmpty else { return }
            let fitted = try fitOutputs(starts, layer, span)
            found[layer] = zip(kept, fitted).map { (form: $0, block: $1.block) }
            if !alone, let first = fitted.first { keep(first.block, first.outcome) }
        }
        return found
    }

    private func keep(_ block: Block, _ outcome: Outcome) {
        prefix.changed.blocks[outcome.layer] = block
        prefix.packed[LayerTensor(layer: outcome.layer, matrix: .attentionOutput)] = outcome.output.packed
    }

    /// Calls `body` for the layers up to `last`, and goes on behind each span of them.
    private func forEachSpan(
        to last: Int?, _ progress: Compilation.Progress,
        _ body: (_ layer: Int, _ span: Range<Int>) throws(CompileError) -> Void
    ) throws(CompileError) {
        guard let last else { return }
        for span in prefix.original.evaluationSpans.prefix(while: { $0.lowerBound <= last }) {
            for layer in span { try body(layer, span) }
            try prefix.advance(span)
            progress("fitting", Double(span.upperBound) / Double(last + 1))
        }
    }

    /// A model with one more layer linearized, whose output projection is as it was.
    private struct Start {
        let model: Model
        let features: (fitted: Double, window: Double)?
    }

    private func start(_ layer: Int, _ form: LinearForm) throws(CompileError) -> Start {
        guard case .attention(let before) = prefix.changed.blocks[layer].mixer else {
            throw .linearization(.withoutWeights(layer: layer))
        }
        var features: (fitted: Double, window: Double)?
        let chosen: LinearizedForm
        switch form {
        case .window(let window): chosen = .window(window)
        case .hybrid(let shape):
            let fit = DistantFit(shape.start(for: before), shape: shape, attention: before)
            let chunks = try heads(of: layer)
            fit.run(chunks.fitted)
            features = fit.errors(chunks.validating)
            guard let window = fit.window else { throw .linearization(.notConverged(layer: layer)) }
            chosen = .window(window)
        case .grouped(let group, let taps):
            let fit = GroupedFit(group: group, taps: taps, attention: before)
            for chunk in try heads(of: layer).fitted { fit.add(chunk) }
            guard let grouped = fit.result() else { throw .linearization(.notConverged(layer: layer)) }
            chosen = .grouped(grouped)
        }
        let model = try attempt(CompileError.linearization) { () throws(LinearizeAttentionError) in
            try LinearizeAttention([layer], as: chosen).apply(to: prefix.changed).model
        }
        return Start(model: model, features: features)
    }

    /// The layer as each start has it, with its output projection fitted.
    private func fitOutputs(
        _ starts: [Start], _ layer: Int, _ span: Range<Int>
    ) throws(CompileError) -> [(block: Block, outcome: Outcome)] {
        var fitted: [(block: Block, outcome: Outcome)] = []
        for (start, output) in zip(starts, try prefix.fitOutputs(of: starts.map(\.model), layer, span)) {
            var block = start.model.blocks[layer]
            guard case .attention(var attention) = block.mixer else { continue }
            attention.output.weight = output.weight
            block.mixer = .attention(attention)
            fitted.append((block, Outcome(layer: layer, features: start.features, output: output)))
        }
        return fitted
    }

    /// What the heads of a layer work with behind the changed layers before it.
    private func heads(of layer: Int) throws(CompileError) -> (fitted: [AttentionHeads], validating: [AttentionHeads]) {
        let capture = try HeadCapture(layer, of: prefix.changed, chunkLength: prefix.tokens.chunkLength)
        var chunks: (fitted: [AttentionHeads], validating: [AttentionHeads]) = ([], [])
        for chunk in 0..<min(prefix.tokens.chunkCount, LinearizationRepair.mostChunks) {
            let heads = try capture.heads(prefix.states, rows: prefix.tokens.rows(of: chunk))
            if ResidualFit.validates(chunk) { chunks.validating.append(heads) } else { chunks.fitted.append(heads) }
        }
        return chunks
    }
}
