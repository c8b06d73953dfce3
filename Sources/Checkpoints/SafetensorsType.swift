/// What a `dtype` of a safetensors file means (formats/safetensors.md, "dtype").
struct SafetensorsType {
    let name: String
    let bits: Int
    /// The type as Lathe reads it, or nil where it does not.
    let element: ElementType?

    /// The type of a name, or nil where the name is not known.
    init?(name: String) {
        let bits: Int
        var element: ElementType?
        switch name {
        case "F32": (bits, element) = (32, .float32)
        case "F16": (bits, element) = (16, .float16)
        case "BF16": (bits, element) = (16, .bfloat16)
        case "F4": bits = 4
        case "F6_E2M3", "F6_E3M2": bits = 6
        case "BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ": bits = 8
        case "I16", "U16": bits = 16
        case "I32", "U32": bits = 32
        case "I64", "U64", "F64", "C64": bits = 64
        default: return nil
        }
        self.name = name
        self.bits = bits
        self.element = element
    }
}
