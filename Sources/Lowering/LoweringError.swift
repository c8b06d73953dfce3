/// Why a model cannot become a program.
public enum LoweringError: Error, Equatable {
    /// A tensor's size leaves what a file can hold.
    case tooLarge(tensor: String)
    /// Sizes of the model make an arena that cannot be addressed.
    case arenaTooLarge
    /// A layer uses attention weights that the layer named does not leave it: those are of the last layer that computes any.
    case noDonor(layer: Int, donor: Int)

    /// One line of cause.
    public var cause: String {
        switch self {
        case .tooLarge(let tensor): "tensor \"\(tensor)\" is larger than a plan can hold"
        case .arenaTooLarge: "the model's working memory is larger than this machine can address"
        case .noDonor(let layer, let donor): "layer \(layer) has no attention weights of layer \(donor) to use"
        }
    }

    /// One line of remedy.
    public var remedy: String {
        switch self {
        case .tooLarge, .arenaTooLarge: "the model's sizes are not those of a real model: check its configuration"
        case .noDonor: "lower the layer together with its donor, the last one before it that computes weights"
        }
    }

    /// The process exit code that stands for this error.
    public var exitCode: Int32 {
        switch self {
        case .tooLarge, .arenaTooLarge: 65
        case .noDonor: 69
        }
    }
}
