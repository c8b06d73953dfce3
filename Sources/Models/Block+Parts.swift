extension Block {
    /// The matrix of a part; nil, and nothing to set, where the layer has no such part.
    subscript(part: TensorNames.Part) -> Linear? {
        get {
            switch (part, mixer, feedForward) {
            case (.query, .attention(let attention), _): attention.query
            case (.key, .attention(let attention), _): attention.key
            case (.value, .attention(let attention), _): attention.value
            case (.attentionOutput, .attention(let attention), _): attention.output
            case (.value, .sharedAttention(let attention), _): attention.value
            case (.attentionOutput, .sharedAttention(let attention), _): attention.output
            case (.gate, _, .gated(let gate, _, _)): gate
            case (.up, _, .gated(_, let up, _)): up
            case (.down, _, .gated(_, _, let down)): down
            default: nil
            }
        }
        set {
            guard let newValue else { return }
            switch mixer {
            case .attention(var attention):
                switch part {
                case .query: attention.query = newValue
                case .key: attention.key = newValue
                case .value: attention.value = newValue
                case .attentionOutput: attention.output = newValue
                default: break
                }
                mixer = .attention(attention)
            case .sharedAttention(var attention):
                switch part {
                case .value: attention.value = newValue
                case .attentionOutput: attention.output = newValue
                default: break
                }
                mixer = .sharedAttention(attention)
            }
            switch feedForward {
            case .gated(var gate, var up, var down):
                switch part {
                case .gate: gate = newValue
                case .up: up = newValue
                case .down: down = newValue
                default: break
                }
                feedForward = .gated(gate: gate, up: up, down: down)
            }
        }
    }
}
