import Checkpoints
import Models
import Plans

/// What becomes of a model's matrices in the plan.
public enum WeightPrecision: String, Sendable, CaseIterable {
    /// Every weight keeps its value.
    case keep
    /// 8 bits, symmetric, rounded to nearest in groups of 32.
    case w8
    /// 4 bits with a minimum, rounded to nearest in groups of 32.
    case w4
    case bf16
    case f32

    /// The packing of a matrix. Groups need whole blocks of 32 columns: other matrices keep their values.
    func packing(for weight: Weight) -> Packing {
        let hasGroups = weight.columns % Packing.blockColumns == 0
        switch self {
        case .keep: return WeightPrecision.keepingPacking(of: weight)
        case .w8:
            return hasGroups ? .integer(.int8Symmetric, group: .columns32) : WeightPrecision.keepingPacking(of: weight)
        case .w4:
            return hasGroups ? .integer(.int4Affine, group: .columns32) : WeightPrecision.keepingPacking(of: weight)
        case .bf16: return .bfloat16
        case .f32: return .float32
        }
    }

    /// The smallest packing that holds the weight's values.
    private static func keepingPacking(of weight: Weight) -> Packing {
        guard weight.keepsValues else { return .float32 }
        switch weight.tensor.type {
        case .float32: return .float32
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
    var cacheElement: CacheElement { self == .f32 ? .float32 : .float16 }
}
