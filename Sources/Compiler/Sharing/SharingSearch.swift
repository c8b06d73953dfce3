import Models
import Passes

/// Which layers may use the attention weights of the layer before them, found by what that does to the predictions.
///
/// One layer after the other becomes a receiver: the one with which the divergence of the predictions from the unmodified
/// model is least, measured on calibration text before anything is repaired. What a layer would cost was measured in the
/// rounds before, so each round measures the cheapest few again and takes the best of them. Early layers and the last one,
/// which cosines make look harmless, need no rule of their own: they are taken where they are measured to cost the least.
final class SharingSearch {
    /// A layer that became a receiver.
    struct Step {
        let layer: Int
        /// Of the predictions with all receivers so far, in nats.
        let divergence: Double
    }

    /// Chunks that predictions are compared on, at the most.
    private static let mostChunks = 4
    /// Predictions that are compared.
    private static let comparedRows = 256
    /// Layers that are measured again in each round.
    private static let remeasured = 5

    private let model: Model
    private let tokens: CalibrationTokens
    private let similarity: AttentionSimilarity?
    private let head: HeadEvaluation
    private let rows: [Int]
    private let expected: [Prediction]
    /// Hidden states before each layer of the model with the receivers so far; nil between a donor and its receivers.
    private var states: [HiddenStates?] = []
    private(set) var steps: [Step] = []
    /// What each layer costs as the only receiver; layers that cannot be one are missing.
    private(set) var alone: [Int: Double] = [:]

    /// Heads are mapped by `similarity`, where there is one.
    init(_ model: Model, tokens: CalibrationTokens, similarity: AttentionSimilarity?) throws(CompileError) {
        self.model = model
        self.tokens = tokens.prefix(SharingSearch.mostChunks)
        self.similarity = similarity
        let count = self.tokens.tokens.count
        rows = Array(stride(from: min(8, count - 1), to: count, by: max(1, count / SharingSearch.comparedRows)))
        head = try HeadEvaluation(model)
        states = try SharingSearch.states(
            of: model, from: 0, HiddenStates(tokens: self.tokens.tokens, embedding: model.embedding), self.tokens)
        guard let last = states.last, let last else { throw .calibration(.noRows) }
        expected = try head.distributions(of: rows, in: last)
    }

    /// Adds receivers until there are `count` of them, the divergence exceeds `limit`, or no layer is left.
    func grow(to count: Int, limit: Double = .infinity, progress: Compilation.Progress) throws(CompileError) {
        let layers = model.blocks.count
        for layer in 1..<max(1, layers) {
            alone[layer] = try divergence(adding: layer)?.value
            progress("choosing layers", 0.5 * Double(layer) / Double(layers))
        }
        var costs = alone
        while steps.count < count, steps.last?.divergence ?? 0 <= limit {
            let before = steps.last?.divergence ?? 0
            var best: (layer: Int, found: (value: Double, model: Model, first: Int))?
            for (layer, _) in costs.sorted(by: { ($0.value, $0.key) < ($1.value, $1.key) })
                .prefix(steps.isEmpty ? 1 : SharingSearch.remeasured)
            {
                guard let found = try divergence(adding: layer) else {
                    costs[layer] = nil
                    continue
                }
                costs[layer] = found.value - before
                if found.value < best?.found.value ?? .infinity { best = (layer, found) }
            }
            guard let best else { break }
            costs[best.layer] = nil
            steps.append(Step(layer: best.layer, divergence: best.found.value))
            guard let start = states[best.found.first] else { break }
            states[best.found.first...] = try SharingSearch.states(
                of: best.found.model, from: best.found.first, start, tokens)[...]
            progress("choosing layers", 0.5 + 0.5 * min(1, Double(steps.count) / Double(min(count, layers))))
        }
    }

    /// The spans of the first `count` receivers.
    func spans(first count: Int) -> [ShareAttention.Span] {
        SharingSearch.spans(of: Set(steps.prefix(count).map(\.layer)), similarity)
    }

    /// Layers that follow each other become one span.
    static func spans(of receivers: Set<Int>, _ similarity: AttentionSimilarity?) -> [ShareAttention.Span] {
        var spans: [ShareAttention.Span] = []
        for layer in receivers.sorted() {
            if let last = spans.last, last.receivers.upperBound == layer - 1 {
                spans[spans.count - 1].receivers = last.receivers.lowerBound...layer
            } else {
                spans.append(ShareAttention.Span(layer...layer))
            }
        }
        return spans.map { $0.mappingHeads(by: similarity) }
    }

    /// The divergence with one more receiver, the model, and the first layer that is not as before; nil where the layer
    /// cannot be a receiver.
    private func divergence(
        adding layer: Int
    ) throws(CompileError) -> (value: Double, model: Model, first: Int)? {
        let receivers = Set(steps.map(\.layer)).union([layer])
        let spans = SharingSearch.spans(of: receivers, similarity)
        guard let span = spans.first(where: { $0.receivers.contains(layer) }) else { return nil }
        let changed: Model
        do throws(ShareAttentionError) { changed = try ShareAttention(spans).apply(to: model).model } catch {
            return nil
        }
        guard let start = states[span.donor] else { return nil }
        let behind = HiddenStates(copying: start)
        for layers in changed.evaluationSpans where layers.lowerBound >= span.donor {
            try behind.advance(through: layers, of: changed, tokens)
        }
        return (try head.divergence(of: rows, in: behind, from: expected), changed, span.donor)
    }

    /// Hidden states before each layer from `first` on, and behind the last one.
    private static func states(
        of model: Model, from first: Int, _ start: HiddenStates, _ tokens: CalibrationTokens
    ) throws(CompileError) -> [HiddenStates?] {
        var result: [HiddenStates?] = [start]
        var current = start
        for span in model.evaluationSpans where span.lowerBound >= first {
            let next = HiddenStates(copying: current)
            try next.advance(through: span, of: model, tokens)
            result += Array(repeating: nil, count: span.count - 1) + [next]
            current = next
        }
        return result
    }
}

extension ShareAttention.Span {
    /// The span whose receivers' heads use the most similar ones of the donor, where that is known.
    func mappingHeads(by similarity: AttentionSimilarity?) -> ShareAttention.Span {
        guard let similarity else { return self }
        var span = self
        for layer in receivers where span.headMaps[layer] == nil {
            if let pair = similarity[layer, donor], !pair.heads.isEmpty { span.headMaps[layer] = pair.bestHeads }
        }
        return span
    }
}
