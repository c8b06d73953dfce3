import Checkpoints
import Models
import Plans

/// What becomes of a model's matrices in the plan.
public enum WeightPrecision: String, Sendable, CaseIterable {
    /// Every weight keeps its value.
    case keep
    /// 8, 6 and 5 bits with as many levels below zero as above, rounded to nearest in groups of 32.
    case w8
    case w6
    case w5
    /// 4 bits with a minimum, rounded to nearest in groups of 32.
    case w4
    /// 3 and 2 bits, odd levels, rounded to nearest in groups of 32.
    case w3
    case w2
    case bf16
    case f32

    /// The packing of a matrix. Groups need whole blocks of 32 columns: other matrices keep their values.
    func packing(for weight: Weight) -> Packing {
        switch self {
        case .keep: return WeightPrecision.keepingPacking(of: weight)
        case .bf16: return .bfloat16
        case .f32: return .float32
        case .w8, .w6, .w5, .w4, .w3, .w2:
            guard let codes, weight.columns % Packing.blockColumns == 0 else {
                return WeightPrecision.keepingPacking(of: weight)
            }
            return .integer(codes, group: .columns32)
        }
    }

    /// The codes of the kinds that round; nil for the others.
    private var codes: IntegerCodes? {
        switch self {
        case .w8: .int8Symmetric
        case .w6: .int6Symmetric
        case .w5: .int5Symmetric
        case .w4: .int4Affine
        case .w3: .int3Centered
        case .w2: .int2Centered
        case .keep, .bf16, .f32: nil
        }
    }

    /// The smallest packing that holds the weight's values. A fitted matrix has none to keep: 8 bits are far closer to it
    /// than it is to what it was fitted to.
    private static func keepingPacking(of weight: Weight) -> Packing {
        if case .fitted = weight.source, weight.columns % Packing.blockColumns == 0 {
            return .integer(.int8Symmetric, group: .columns32)
        }
        switch weight.keptType {
        case nil, .float32: return .float32
        case .float16: return .float16
        case .bfloat16: return .bfloat16
        case .q4_0: return .integer(.int4Symmetric, group: .columns32)
        case .q4_1: return .integer(.int4Affine, group: .columns32)
        case .q5_0: return .integer(.int5Symmetric, group: .columns32)
        case .q5_1: return .integer(.int5Affine, group: .columns32)
        case .q8_0: return .integer(.int8Symmetric, group: .columns32)
        }
    }

    /// Element type of the KV cache: as exact as the weights are.
    public var cacheElement: CacheElement { self == .f32 ? .float32 : .float16 }
}
