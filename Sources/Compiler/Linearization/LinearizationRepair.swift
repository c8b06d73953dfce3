import Models
import Passes

/// Fits linearized layers to what they did before: what their forms are made of, then the output projection by ridge
/// regression, layer after layer (`PrefixPair`). The feed-forward behind has next to nothing left to repair.
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

    private let pair: PrefixPair
    private let forms: [Int: LinearForm]
    private(set) var outcomes: [Outcome] = []

    init(original: Model, forms: [Int: LinearForm], tokens: CalibrationTokens) {
        pair = PrefixPair(original: original, changed: original, tokens: tokens)
        self.forms = forms
    }

    /// The model with all layers linearized and fitted. Throws where a form is refused.
    func run(progress: Compilation.Progress) throws(CompileError) -> Model {
        let last = forms.keys.max() ?? -1
        for span in pair.original.evaluationSpans.prefix(while: { $0.lowerBound <= last }) {
            var isChanged = false
            for layer in span {
                guard let form = forms[layer] else { continue }
                try fit(layer, form, span)
                isChanged = true
            }
            try pair.advance(span, isChanged: isChanged)
            progress("fitting", Double(span.upperBound) / Double(last + 1))
        }
        return pair.changed
    }

    /// The layers, each linearized and fitted as the only one; those whose fit does not converge are left out.
    func runAlone(progress: Compilation.Progress) throws(CompileError) -> [Int: Block] {
        var blocks: [Int: Block] = [:]
        let last = forms.keys.max() ?? -1
        for span in pair.original.evaluationSpans.prefix(while: { $0.lowerBound <= last }) {
            for layer in span {
                guard let form = forms[layer] else { continue }
                do throws(CompileError) {
                    try fit(layer, form, span)
                    blocks[layer] = pair.changed.blocks[layer]
                } catch .linearization(.notConverged) {
                    // Others may do.
                }
                pair.changed = pair.original
            }
            try pair.advance(span, isChanged: false)
            progress("fitting", Double(span.upperBound) / Double(last + 1))
        }
        return blocks
    }

    private func fit(_ layer: Int, _ form: LinearForm, _ span: Range<Int>) throws(CompileError) {
        guard case .attention(let before) = pair.changed.blocks[layer].mixer else { return }
        var features: (fitted: Double, window: Double)?
        let chosen: LinearizeAttention.Form
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
        pair.changed = try attempt(CompileError.linearization) { () throws(LinearizeAttentionError) in
            try LinearizeAttention([layer], as: chosen).apply(to: pair.changed).model
        }
        guard case .attention(var attention) = pair.changed.blocks[layer].mixer else { return }
        let output = try pair.fitOutput(attention.output.weight, layer, span)
        attention.output.weight = output.weight
        pair.changed.blocks[layer].mixer = .attention(attention)
        outcomes.append(Outcome(layer: layer, features: features, output: output))
    }

    /// What the heads of a layer work with behind the changed layers before it.
    private func heads(of layer: Int) throws(CompileError) -> (fitted: [AttentionHeads], validating: [AttentionHeads]) {
        let capture = try HeadCapture(layer, of: pair.changed, chunkLength: pair.tokens.chunkLength)
        var chunks: (fitted: [AttentionHeads], validating: [AttentionHeads]) = ([], [])
        for chunk in 0..<min(pair.tokens.chunkCount, LinearizationRepair.mostChunks) {
            let heads = try capture.heads(pair.changedStates, rows: pair.tokens.rows(of: chunk))
            if ResidualFit.validates(chunk) { chunks.validating.append(heads) } else { chunks.fitted.append(heads) }
        }
        return chunks
    }
}
