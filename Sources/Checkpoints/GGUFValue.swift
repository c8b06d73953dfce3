/// A metadata value of a GGUF file (formats/gguf.md, "Metadata").
public enum GGUFValue: Sendable, Equatable {
    case unsigned(UInt64)
    case signed(Int64)
    case float(Double)
    case boolean(Bool)
    /// Raw bytes: GGUF strings should be UTF-8, but nothing guarantees it.
    case string([UInt8])
    case array([GGUFValue])
    case strings([[UInt8]])
    case integers([Int64])
    case floats([Double])
}
