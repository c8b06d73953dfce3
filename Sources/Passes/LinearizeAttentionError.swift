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

    /// One line of cause.
    public var cause: String {
        switch self {
        case .noSuchLayer(let layer, let layers):
            "layer \(layer) cannot be linearized: the model has layers 0-\(layers - 1)"
        case .withoutWeights(let layer):
            "layer \(layer) cannot be linearized: it uses the attention weights of another layer"
        case .window(let length, let sinks): "attention cannot have a window of \(length) with \(sinks) sinks"
        case .reachesEverything(let length, let sinks, let contextLength):
            "a window of \(length) with \(sinks) sinks leaves nothing of a context of \(contextLength) out"
        case .hasWindow(let layer, let length): "layer \(layer) has a window of \(length) already"
        }
    }

    /// One line of remedy.
    public var remedy: String {
        switch self {
        case .noSuchLayer: "name layers of this model, counted from 0"
        case .withoutWeights: "name the layer whose weights it uses: both change together"
        case .window: "choose a window of 1 or more and at most \(LinearizeAttention.mostSinks) sinks"
        case .reachesEverything: "choose a shorter window"
        case .hasWindow: "choose a shorter window, or leave the layer out"
        }
    }

    /// The process exit code that stands for this error.
    public var exitCode: Int32 {
        switch self {
        case .noSuchLayer, .window, .reachesEverything: 64
        case .withoutWeights, .hasWindow: 69
        }
    }
}
