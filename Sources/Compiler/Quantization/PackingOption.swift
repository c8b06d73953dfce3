import Lowering
import Plans
import Quantization

/// A way to store a matrix: bits of a code, and columns that share a scale.
public struct PackingOption: Sendable, Hashable {
    public let bits: Grid.Bits
    public let groupSize: GroupSize

    /// Codes of 2 and 3 bits lie symmetrically about zero, so that every level counts; wider ones have a level 0.
    var grid: Grid { Grid(bits: bits, kind: bits.rawValue <= 3 ? .centered : .symmetric) }

    var packing: Packing {
        switch bits {
        case .two: .integer(.int2Centered, group: groupSize)
        case .three: .integer(.int3Centered, group: groupSize)
        case .four: .integer(.int4Symmetric, group: groupSize)
        case .five: .integer(.int5Symmetric, group: groupSize)
        case .six: .integer(.int6Symmetric, group: groupSize)
        case .eight: .integer(.int8Symmetric, group: groupSize)
        }
    }

    /// Every option, from few bits to many.
    static let all: [PackingOption] = Grid.Bits.allCases.flatMap { bits in
        GroupSize.allCases.reversed().map { PackingOption(bits: bits, groupSize: $0) }
    }
}

extension WeightPrecision {
    /// How a matrix that a pass has fitted is packed: up to two widths above the others of the plan, since it lies on
    /// no grid, as a checkpoint's own weights may, and makes up for what others lost. Nil where it stays in floating point, as
    /// where columns do not fill blocks.
    func fittedOption(columns: Int) -> PackingOption? {
        let bits: Grid.Bits
        switch self {
        case .keep, .w8, .w6, .w5: bits = .eight
        case .w4: bits = .six
        case .w3: bits = .five
        case .w2: bits = .four
        case .bf16, .f32: return nil
        }
        return columns % Packing.blockColumns == 0 ? PackingOption(bits: bits, groupSize: .columns32) : nil
    }
}
