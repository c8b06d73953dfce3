import Models

extension Model {
    /// The layers that must be evaluated together, in order: a donor of attention weights with its receivers, every other
    /// layer by itself.
    var evaluationSpans: [Range<Int>] {
        var spans: [Range<Int>] = []
        for (layer, block) in blocks.enumerated() {
            if case .sharedAttention = block.mixer, let last = spans.last {
                spans[spans.count - 1] = last.lowerBound..<layer + 1
            } else {
                spans.append(layer..<layer + 1)
            }
        }
        return spans
    }

    /// The span that `layer` is in.
    func evaluationSpan(of layer: Int) -> Range<Int> {
        evaluationSpans.first { $0.contains(layer) } ?? layer..<layer + 1
    }
}

extension Block {
    /// The block where layers are counted from another one on.
    func movingDonor(by offset: Int) -> Block {
        guard case .sharedAttention(var attention) = mixer else { return self }
        var block = self
        attention.donor += offset
        block.mixer = .sharedAttention(attention)
        return block
    }
}
