/// Why layers cannot be linearized as asked.
public enum LinearizeAttentionError: Error, Equatable {
    /// The model has fewer layers.
    case noSuchLayer(Int, layers: Int)
    /// A layer has no attention weights of its own.
    case withoutWeights(layer: Int)
    /// A window of no positions, or more sinks than there may be.
    case window(length: Int, sinks: Int)
    /// A window that leaves nothing of the model's context out.
    case reachesEverything(length: Int, sinks: Int, contextLength: Int)
    /// The layer's own window is no longer than the one asked for.
    case hasWindow(layer: Int, length: Int)
    /// A group of no positions, or more of them and taps than there may be, or a factor that is not finite.
    case group(Int, taps: Int)
    /// Taps are not equally many for each query head.
    case taps(layer: Int, heads: Int)
    /// A window that is not made of whole blocks, or too large a block.
    case block(Int, length: Int)
    /// Feature maps and gate are not of the layer's shapes, or not finite.
    case features(layer: Int)
    /// What the form is made of could not be found: a system is singular, or numbers grew beyond all bounds.
    case notConverged(layer: Int)
    /// Another layer uses the attention weights of a layer that would have none.
    case isDonor(layer: Int, receiver: Int)

    /// One line of cause.
    public var cause: String {
        switch self {
        case .noSuchLayer(let layer, let layers):
            "layer \(layer) cannot be linearized: the model has layers 0-\(layers - 1)"
        case .withoutWeights(let layer):
            "layer \(layer) cannot be linearized: it has no attention weights of its own"
        case .window(let length, let sinks): "attention cannot have a window of \(length) with \(sinks) sinks"
        case .reachesEverything(let length, let sinks, let contextLength):
            "a window of \(length) with \(sinks) sinks leaves nothing of a context of \(contextLength) out"
        case .hasWindow(let layer, let length): "layer \(layer) has a window of \(length) already"
        case .group(let group, let taps):
            "attention cannot have groups of \(group) with \(taps) taps"
        case .taps(let layer, let heads): "layer \(layer) has not as many taps for each of \(heads) query heads"
        case .block(let block, let length): "attention cannot have a window of \(length) in blocks of \(block)"
        case .features(let layer): "layer \(layer) has feature maps or a gate of other shapes"
        case .notConverged(let layer): "layer \(layer) cannot be linearized: its fit did not converge"
        case .isDonor(let layer, let receiver):
            "layer \(layer) cannot have sums: layer \(receiver) uses its attention weights"
        }
    }

    /// One line of remedy.
    public var remedy: String {
        switch self {
        case .noSuchLayer: "name layers of this model, counted from 0"
        case .withoutWeights: "leave it out, or name the layer whose weights it uses: both change together"
        case .window: "choose a window of 1 or more and at most \(LinearizeAttention.mostSinks) sinks"
        case .reachesEverything: "choose a shorter window"
        case .hasWindow: "choose a shorter window, or leave the layer out"
        case .group:
            "choose a group of 1 or more, of at most \(LinearizeAttention.mostPositions) positions with the taps"
        case .block:
            "choose a block that divides the window, of at most \(LinearizeAttention.mostPositions) positions"
        case .taps, .features: "the adapter is damaged, or was made for another model"
        case .notConverged: "leave the layer out, or calibrate with more and other text"
        case .isDonor: "choose spans that do not cross this layer"
        }
    }

    /// The process exit code that stands for this error.
    public var exitCode: Int32 {
        switch self {
        case .noSuchLayer, .window, .reachesEverything, .group, .block: 64
        case .taps, .features: 65
        case .withoutWeights, .hasWindow, .isDonor, .notConverged: 69
        }
    }
}
