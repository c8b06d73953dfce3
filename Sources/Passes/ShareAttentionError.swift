/// Why layers cannot share attention weights as asked.
public enum ShareAttentionError: Error, Equatable {
    /// No layer before the first one could be the donor.
    case firstLayer(ClosedRange<Int>)
    /// The model has fewer layers.
    case noSuchLayer(ClosedRange<Int>, layers: Int)
    /// Two spans have a layer in common.
    case overlap(ClosedRange<Int>, ClosedRange<Int>)
    /// A span begins right behind another one, so that its donor is a receiver.
    case donorIsReceiver(ClosedRange<Int>, ClosedRange<Int>)
    /// A layer has no attention weights of its own.
    case withoutWeights(layer: Int)
    /// A receiver's attention differs from the donor's in what they would have to share.
    case differs(layer: Int, donor: Int, property: String)
    /// A head map does not name one of the donor's `heads` query heads for every query head.
    case headMap(layer: Int, heads: Int)
    /// A head map is given for a layer outside its span.
    case strayHeadMap(layer: Int, ClosedRange<Int>)

    /// One line of cause.
    public var cause: String {
        switch self {
        case .firstLayer(let span): "\(span.text) cannot share attention: no layer comes before layer 0"
        case .noSuchLayer(let span, let layers):
            "\(span.text) cannot share attention: the model has layers 0-\(layers - 1)"
        case .overlap(let first, let second):
            "\(first.text) and \(second.text) cannot both share attention: they overlap"
        case .donorIsReceiver(let first, let second):
            "\(second.text) cannot use the attention weights of layer \(first.upperBound), which has none of its own"
        case .withoutWeights(let layer): "layer \(layer) has no attention weights to share or to replace"
        case .differs(let layer, let donor, let property):
            "layer \(layer) cannot use the attention weights of layer \(donor): their \(property) differ"
        case .headMap(let layer, let heads):
            "the head map of layer \(layer) does not name one of \(heads) heads for each of its query heads"
        case .strayHeadMap(let layer, let span): "layer \(layer) has a head map, but is not in \(span.text)"
        }
    }

    /// One line of remedy.
    public var remedy: String {
        switch self {
        case .firstLayer(let span):
            span.upperBound == 0 ? "leave layer 0 out" : "begin with layer 1: 1-\(max(1, span.upperBound))"
        case .noSuchLayer: "name layers of this model, counted from 0"
        case .overlap: "name every layer once"
        case .donorIsReceiver(let first, let second):
            "make it one span, \(first.lowerBound)-\(second.upperBound), or leave a layer between the two"
        case .withoutWeights, .differs: "choose spans that do not cross this layer"
        case .headMap: "the adapter is damaged, or was made for another model"
        case .strayHeadMap: "this is a mistake of the calling program"
        }
    }

    /// The process exit code that stands for this error.
    public var exitCode: Int32 {
        switch self {
        case .firstLayer, .noSuchLayer, .overlap, .donorIsReceiver: 64
        case .withoutWeights, .differs: 69
        case .headMap: 65
        case .strayHeadMap: 1
        }
    }
}

extension ClosedRange<Int> {
    fileprivate var text: String {
        lowerBound == upperBound ? "layer \(lowerBound)" : "layers \(lowerBound)-\(upperBound)"
    }
}
