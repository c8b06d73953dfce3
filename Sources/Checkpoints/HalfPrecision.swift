/// The f32 value of an IEEE binary16: exact, for every bit pattern; NaN stays NaN.
@inline(__always)
func float(half bits: UInt16) -> Float {
    // Works on normal numbers alone, so it does not depend on how the thread treats subnormal ones.
    let magnitude = UInt32(bits & 0x7fff) << 13
    let rebiased = magnitude &+ (112 << 23)
    let subnormal = Float(bitPattern: magnitude &+ (113 << 23)) - Float(bitPattern: 113 << 23)
    let special = magnitude | 0x7f80_0000
    let value =
        magnitude < 1 << 23 ? subnormal.bitPattern : (magnitude >= 31 << 23 ? special : rebiased)
    return Float(bitPattern: value | UInt32(bits & 0x8000) << 16)
}

/// The f32 value of a bfloat16: its bits are the upper half.
@inline(__always)
func float(bfloat16 bits: UInt16) -> Float {
    Float(bitPattern: UInt32(bits) << 16)
}
