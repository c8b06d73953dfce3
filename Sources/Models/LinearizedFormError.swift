/// Why a layer's attention cannot have a linearized form.
public enum LinearizedFormError: Error, Equatable {
    /// A window of no positions, or more sinks than there may be.
    case window(length: Int, sinks: Int)
    /// A window that leaves nothing of the model's context out.
    case reachesEverything(length: Int, sinks: Int, contextLength: Int)
    /// A group of no positions, or more of them and taps than there may be, or a factor that is not finite.
    case group(Int, taps: Int)
    /// Taps are not equally many for each query head.
    case taps(layer: Int, heads: Int)
    /// A window that is not made of whole blocks, or too large a block.
    case block(Int, length: Int)
    /// Feature maps and gate are not of the layer's shapes, or not finite.
    case features(layer: Int)

    /// One line of cause.
    public var cause: String {
        switch self {
        case .window(let length, let sinks): "attention cannot have a window of \(length) with \(sinks) sinks"
        case .reachesEverything(let length, let sinks, let contextLength):
            "a window of \(length) with \(sinks) sinks leaves nothing of a context of \(contextLength) out"
        case .group(let group, let taps):
            "attention cannot have groups of \(group) with \(taps) taps"
        case .taps(let layer, let heads): "layer \(layer) has not as many taps for each of \(heads) query heads"
        case .block(let block, let length): "attention cannot have a window of \(length) in blocks of \(block)"
        case .features(let layer): "layer \(layer) has feature maps or a gate of other shapes"
        }
    }

    /// One line of remedy.
    public var remedy: String {
        switch self {
        case .window: "choose a window of 1 or more and at most \(LinearizedForm.mostSinks) sinks"
        case .reachesEverything: "choose a shorter window"
        case .group:
            "choose a group of 1 or more, of at most \(LinearizedForm.mostPositions) positions with the taps"
        case .block:
            "choose a block that divides the window, of at most \(LinearizedForm.mostPositions) positions"
        case .taps, .features: "the file is damaged, or was made for another model"
        }
    }

    /// The process exit code where the form was asked for; a file that has it is damaged.
    public var exitCode: Int32 {
        switch self {
        case .window, .reachesEverything, .group, .block: 64
        case .taps, .features: 65
        }
    }
}
