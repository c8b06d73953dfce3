import Models
import Passes

extension LayerSearch {
    /// Which layers may use the attention weights of the layer before them, measured before anything is repaired. Heads are
    /// mapped by `similarity`, where there is one.
    ///
    /// Early layers and the last one, which cosines make look harmless, need no rule of their own: they are taken where they
    /// are measured to cost the least.
    convenience init(
        sharingIn model: Model, tokens: CalibrationTokens, similarity: AttentionSimilarity?
    ) throws(CompileError) {
        try self.init(model, tokens: tokens) { receivers, added in
            // No layer comes before the first one.
            guard added > 0 else { return nil }
            let spans = ShareAttention.Span.spans(of: receivers, similarity)
            guard let span = spans.first(where: { $0.receivers.contains(added) }) else { return nil }
            guard let changed = try? ShareAttention(spans).apply(to: model).model else { return nil }
            return (changed, span.donor)
        }
    }
}

extension ShareAttention.Span {
    /// Receivers that follow each other become one span.
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
