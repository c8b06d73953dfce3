import Models

/// Why layers cannot be linearized as asked.
public enum LinearizeAttentionError: Error, Equatable {
    /// The model has fewer layers.
    case noSuchLayer(Int, layers: Int)
    /// A layer has no attention weights of its own.
    case withoutWeights(layer: Int)
    /// The layer's own window is no longer than the one asked for.
    case hasWindow(layer: Int, length: Int)
    /// The form is not one that the layer can have.
    case form(LinearizedFormError)
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
        case .hasWindow(let layer, let length): "layer \(layer) has a window of \(length) already"
        case .form(let error): error.cause
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
        case .hasWindow: "choose a shorter window, or leave the layer out"
        case .form(let error): error.remedy
        case .notConverged: "leave the layer out, or calibrate with more and other text"
        case .isDonor: "choose spans that do not cross this layer"
        }
    }

    /// The process exit code that stands for this error.
    public var exitCode: Int32 {
        switch self {
        case .noSuchLayer: 64
        case .form(let error): error.exitCode
        case .withoutWeights, .hasWindow, .isDonor, .notConverged: 69
        }
    }
}
