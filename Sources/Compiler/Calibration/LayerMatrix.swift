import Models

/// The matrices of one layer that have an input of their own, in the order in which they run: each is one tensor of the
/// program.
enum LayerMatrix: Int, CaseIterable, Sendable {
    /// Queries, keys and values; values alone where weights are shared.
    case projection
    case attentionOutput
    /// Gate and up.
    case gateUp
    case down

    /// The name of the program's tensor.
    func tensorName(layer: Int) -> String {
        switch self {
        case .projection: "layers.\(layer).attention.projected"
        case .attentionOutput: "layers.\(layer).attention.output"
        case .gateUp: "layers.\(layer).feed_forward.gate_up"
        case .down: "layers.\(layer).feed_forward.down"
        }
    }

    /// The name of the program's buffer that the matrix reads.
    func inputName(layer: Int) -> String {
        switch self {
        case .projection: "layers.\(layer).attention.normalized"
        case .attentionOutput: "layers.\(layer).attention.mixed"
        case .gateUp: "layers.\(layer).feed_forward.normalized"
        case .down: "layers.\(layer).feed_forward.gated"
        }
    }

    /// The weights that are stacked in the tensor.
    func stack(of block: Block) -> [Weight] {
        switch (self, block.mixer, block.feedForward) {
        case (.projection, .attention(let attention), _):
            [attention.query.weight, attention.key.weight, attention.value.weight]
        case (.projection, .sharedAttention(let attention), _): [attention.value.weight]
        case (.attentionOutput, .attention(let attention), _): [attention.output.weight]
        case (.attentionOutput, .sharedAttention(let attention), _): [attention.output.weight]
        case (.gateUp, _, .gated(let gate, let up, _)): [gate.weight, up.weight]
        case (.down, _, .gated(_, _, let down)): [down.weight]
        }
    }
}

/// One matrix of one layer.
struct LayerTensor: Hashable, Sendable {
    let layer: Int
    let matrix: LayerMatrix
}
