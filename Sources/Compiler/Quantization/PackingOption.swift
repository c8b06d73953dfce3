import Plans
import Quantization

/// A way to store a matrix: bits of a code, and columns that share a scale.
public struct PackingOption: Sendable, Hashable {
    public let bits: Grid.Bits
    public let groupSize: Quantization.GroupSize

    /// Codes of 2 and 3 bits lie symmetrically about zero, so that every level counts; wider ones have a level 0.
    var grid: Grid { Grid(bits: bits, kind: bits.rawValue <= 3 ? .centered : .symmetric) }

    var packing: Packing {
        let group: Plans.GroupSize =
            switch groupSize {
            case .of32: .columns32
            case .of64: .columns64
            case .of128: .columns128
            }
        return switch bits {
        case .two: .integer(.int2Centered, group: group)
        case .three: .integer(.int3Centered, group: group)
        case .four: .integer(.int4Symmetric, group: group)
        case .five: .integer(.int5Symmetric, group: group)
        case .six: .integer(.int6Symmetric, group: group)
        case .eight: .integer(.int8Symmetric, group: group)
        }
    }

    /// Every option, from few bits to many.
    static let all: [PackingOption] = Grid.Bits.allCases.flatMap { bits in
        Quantization.GroupSize.allCases.reversed().map { PackingOption(bits: bits, groupSize: $0) }
    }
}
