/// How the elements of a tensor are stored (formats/gguf.md, "Tensor types"; formats/safetensors.md, "dtype").
// swift-format-ignore: AlwaysUseLowerCamelCase
public enum ElementType: Sendable, Hashable, CaseIterable {
    case float32, float16, bfloat16
    /// Blocks of 32: f16 scale, 4-bit values less 8.
    case q4_0
    /// Blocks of 32: f16 scale, f16 minimum, 4-bit values.
    case q4_1
    /// Blocks of 32: f16 scale, 5-bit values less 16.
    case q5_0
    /// Blocks of 32: f16 scale, f16 minimum, 5-bit values.
    case q5_1
    /// Blocks of 32: f16 scale, int8 values.
    case q8_0

    /// Elements that are stored together; a row is a multiple of it.
    public var blockElements: Int {
        switch self {
        case .float32, .float16, .bfloat16: 1
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0: 32
        }
    }

    /// Bytes of one block.
    public var blockBytes: Int {
        switch self {
        case .float32: 4
        case .float16, .bfloat16: 2
        case .q4_0: 18
        case .q4_1: 20
        case .q5_0: 22
        case .q5_1: 24
        case .q8_0: 34
        }
    }

    /// The name that both formats use.
    public var name: String {
        switch self {
        case .float32: "F32"
        case .float16: "F16"
        case .bfloat16: "BF16"
        case .q4_0: "Q4_0"
        case .q4_1: "Q4_1"
        case .q5_0: "Q5_0"
        case .q5_1: "Q5_1"
        case .q8_0: "Q8_0"
        }
    }
}
