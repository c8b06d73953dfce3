import ArgumentParser
import Runtime

/// An instruction set by its name.
enum InstructionSetArgument: String, ExpressibleByArgument, CaseIterable {
    case scalar, avx2, avx512, neon

    var instructionSet: InstructionSet {
        switch self {
        case .scalar: .scalar
        case .avx2: .avx2
        case .avx512: .avx512
        case .neon: .neon
        }
    }
}
