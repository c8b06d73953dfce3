import Checkpoints

extension Model {
    /// Changes matrices as an adapter says. Its receivers must be receivers already. Fails with `damaged` where the adapter
    /// names a matrix that the model does not have, or one of another shape.
    public mutating func apply(_ adapter: Adapter) throws(CheckpointError) {
        for entry in adapter.entries {
            guard blocks.indices.contains(entry.layer) else {
                throw adapter.error(entry, expected: "one of \(blocks.count) layers", found: "layer \(entry.layer)")
            }
            guard let weight = blocks[entry.layer][entry.part] else {
                throw adapter.error(
                    entry, expected: "a matrix of layer \(entry.layer)", found: "one that this layer does not have")
            }
            let found: (rows: Int, columns: Int)
            switch entry.change {
            case .added(let matrix): found = (matrix.rows, matrix.columns)
            case .replaced(let rows, let columns, _): found = (rows, columns)
            }
            guard found == (weight.rows, weight.columns) else {
                throw adapter.error(
                    entry, expected: "a change of \(weight.rows) x \(weight.columns)",
                    found: "one of \(found.rows) x \(found.columns)")
            }
            switch entry.change {
            case .added(let matrix): blocks[entry.layer][entry.part]?.transforms.append(.added(matrix))
            case .replaced(let rows, let columns, let values):
                blocks[entry.layer][entry.part] = Weight(
                    FittedMatrix(name: weight.name, rows: rows, columns: columns, values: values))
            }
        }
    }
}

extension Block {
    /// The weight of a part; nil, and nothing to set, where the layer has no such part.
    fileprivate subscript(part: TensorNames.Part) -> Weight? {
        get {
            switch (part, mixer, feedForward) {
            case (.query, .attention(let attention), _): attention.query.weight
            case (.key, .attention(let attention), _): attention.key.weight
            case (.value, .attention(let attention), _): attention.value.weight
            case (.attentionOutput, .attention(let attention), _): attention.output.weight
            case (.value, .sharedAttention(let attention), _): attention.value.weight
            case (.attentionOutput, .sharedAttention(let attention), _): attention.output.weight
            case (.gate, _, .gated(let gate, _, _)): gate.weight
            case (.up, _, .gated(_, let up, _)): up.weight
            case (.down, _, .gated(_, _, let down)): down.weight
            default: nil
            }
        }
        set {
            guard let newValue else { return }
            switch mixer {
            case .attention(var attention):
                switch part {
                case .query: attention.query.weight = newValue
                case .key: attention.key.weight = newValue
                case .value: attention.value.weight = newValue
                case .attentionOutput: attention.output.weight = newValue
                default: break
                }
                mixer = .attention(attention)
            case .sharedAttention(var attention):
                switch part {
                case .value: attention.value.weight = newValue
                case .attentionOutput: attention.output.weight = newValue
                default: break
                }
                mixer = .sharedAttention(attention)
            }
            switch feedForward {
            case .gated(var gate, var up, var down):
                switch part {
                case .gate: gate.weight = newValue
                case .up: up.weight = newValue
                case .down: down.weight = newValue
                default: break
                }
                feedForward = .gated(gate: gate, up: up, down: down)
            }
        }
    }
}
