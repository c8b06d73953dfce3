/// Why a model cannot become a program.
public enum LoweringError: Error, Equatable {
    /// A tensor's size leaves what a file can hold.
    case tooLarge(tensor: String)
    /// Sizes of the model make an arena that cannot be addressed.
    case arenaTooLarge

    /// One line of cause.
    public var cause: String {
        switch self {
        case .tooLarge(let tensor): "tensor \"\(tensor)\" is larger than a plan can hold"
        case .arenaTooLarge: "the model's working memory is larger than this machine can address"
        }
    }

    /// One line of remedy.
    public var remedy: String { "the model's sizes are not those of a real model: check its configuration" }

    /// The process exit code that stands for this error.
    public var exitCode: Int32 { 65 }
}
