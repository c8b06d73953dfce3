import Kernels

/// An instruction set that the kernels exist for; all of them give the same bits.
public enum InstructionSet: UInt32, Sendable, Equatable, CaseIterable {
    case scalar = 0
    case avx2 = 1
    case avx512 = 2
    case neon = 3

    /// The best one that this processor has.
    public static var best: InstructionSet {
        InstructionSet(rawValue: lathe_best_isa().rawValue) ?? .scalar
    }

    /// The name that `--isa` takes.
    public var name: StaticString {
        switch self {
        case .scalar: "scalar"
        case .avx2: "avx2"
        case .avx512: "avx512"
        case .neon: "neon"
        }
    }

    /// The kernels of this instruction set, or nil where this processor does not have it.
    var kernels: UnsafePointer<lathe_kernels>? { lathe_kernels_for(lathe_isa(rawValue: rawValue)) }
}
