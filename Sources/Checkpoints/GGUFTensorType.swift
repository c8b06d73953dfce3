/// What a tensor type number of a GGUF file means (formats/gguf.md, "Tensor types").
struct GGUFTensorType {
    let name: String
    let blockElements: Int
    let blockBytes: Int
    /// The type as Lathe reads it, or nil where it does not.
    let element: ElementType?

    /// The type of a number, or nil where the number is not known.
    init?(number: UInt32) {
        if let element = GGUFTensorType.readable(number) {
            (name, blockElements, blockBytes) = (element.name, element.blockElements, element.blockBytes)
            self.element = element
            return
        }
        guard let known = GGUFTensorType.unreadable(number) else { return nil }
        (name, blockElements, blockBytes) = known
        element = nil
    }

    private static func readable(_ number: UInt32) -> ElementType? {
        switch number {
        case 0: .float32
        case 1: .float16
        case 2: .q4_0
        case 3: .q4_1
        case 6: .q5_0
        case 7: .q5_1
        case 8: .q8_0
        case 30: .bfloat16
        default: nil
        }
    }

    private static func unreadable(_ number: UInt32) -> (name: String, blockElements: Int, blockBytes: Int)? {
        switch number {
        case 9: ("Q8_1", 32, 40)
        case 10: ("Q2_K", 256, 84)
        case 11: ("Q3_K", 256, 110)
        case 12: ("Q4_K", 256, 144)
        case 13: ("Q5_K", 256, 176)
        case 14: ("Q6_K", 256, 210)
        case 15: ("Q8_K", 256, 292)
        case 16: ("IQ2_XXS", 256, 66)
        case 17: ("IQ2_XS", 256, 74)
        case 18: ("IQ3_XXS", 256, 98)
        case 19: ("IQ1_S", 256, 50)
        case 20: ("IQ4_NL", 32, 18)
        case 21: ("IQ3_S", 256, 110)
        case 22: ("IQ2_S", 256, 82)
        case 23: ("IQ4_XS", 256, 136)
        case 24: ("I8", 1, 1)
        case 25: ("I16", 1, 2)
        case 26: ("I32", 1, 4)
        case 27: ("I64", 1, 8)
        case 28: ("F64", 1, 8)
        case 29: ("IQ1_M", 256, 56)
        case 34: ("TQ1_0", 256, 54)
        case 35: ("TQ2_0", 256, 66)
        case 39: ("MXFP4", 32, 17)
        case 40: ("NVFP4", 64, 36)
        case 41: ("Q1_0", 128, 18)
        default: nil
        }
    }
}
