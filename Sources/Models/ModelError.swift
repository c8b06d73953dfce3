import Checkpoints

/// Why a checkpoint is not a model that can be compiled.
public enum ModelError: Error, Equatable {
    /// The checkpoint itself cannot give a tensor.
    case checkpoint(CheckpointError)
    /// The architecture is not known; `nearest` is the known one most like it.
    case unknownArchitecture(found: String, nearest: String)
    /// The configuration asks for something that is not supported.
    case unsupported(setting: String, found: String, supported: String)
    /// The configuration lacks a setting, or it has no sensible value.
    case badSetting(String, expected: String, found: String)
    /// A tensor that the architecture needs is not there.
    case missingTensor(String)
    /// A tensor's shape contradicts the configuration.
    case badShape(tensor: String, expected: [Int], found: [Int])
    /// A tensor is there, but the architecture has no use for it, so leaving it out would change the model.
    case unexpectedTensor(String)
    /// The checkpoint says of a layer that it has a form of attention that it cannot have.
    case linearizedForm(LinearizedFormError)

    /// One line of cause.
    public var cause: String {
        switch self {
        case .checkpoint(let error): error.cause
        case .unknownArchitecture(let found, let nearest):
            "architecture \"\(found)\" is not supported (the nearest known one is \"\(nearest)\")"
        case .unsupported(let setting, let found, let supported):
            "\(setting) is \(found), which is not supported (supported: \(supported))"
        case .badSetting(let setting, let expected, let found):
            "\(setting) is \(found), expected \(expected)"
        case .missingTensor(let name):
            "tensor \"\(name)\" is missing"
        case .badShape(let tensor, let expected, let found):
            "tensor \"\(tensor)\" has shape \(found), the configuration says \(expected)"
        case .unexpectedTensor(let name):
            "tensor \"\(name)\" has no place in this architecture"
        case .linearizedForm(let error): error.cause
        }
    }

    /// One line of remedy.
    public var remedy: String {
        switch self {
        case .checkpoint(let error): error.remedy
        case .unknownArchitecture: "supported architectures: \(Families.knownNames.joined(separator: ", "))"
        case .unsupported: "use a checkpoint without this setting, or ask for its support by this name"
        case .badSetting, .badShape, .linearizedForm:
            "the configuration and the weights do not belong together: fetch both again"
        case .missingTensor: "the checkpoint is incomplete: fetch all of its files again"
        case .unexpectedTensor: "this variant of the architecture is not supported"
        }
    }

    /// The process exit code that stands for this error.
    public var exitCode: Int32 {
        switch self {
        case .checkpoint(let error): error.exitCode
        case .unknownArchitecture, .unsupported, .unexpectedTensor: 69
        case .badSetting, .missingTensor, .badShape, .linearizedForm: 65
        }
    }
}
