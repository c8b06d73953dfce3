/// Whether the bytes are well-formed UTF-8 (no overlong forms, no surrogates, nothing above U+10FFFF) and hold no
/// control character (U+0000...U+001F, U+007F...U+009F).
func isPrintableUTF8(_ bytes: [UInt8]) -> Bool {
    var index = 0
    while index < bytes.count {
        let first = bytes[index]
        let length: Int
        var scalar: UInt32
        switch first {
        case 0x20..<0x7F: (length, scalar) = (1, UInt32(first))
        case 0xC2..<0xE0: (length, scalar) = (2, UInt32(first & 0x1F))
        case 0xE0..<0xF0: (length, scalar) = (3, UInt32(first & 0x0F))
        case 0xF0..<0xF5: (length, scalar) = (4, UInt32(first & 0x07))
        default: return false
        }
        guard bytes.count - index >= length else { return false }
        for next in bytes[(index + 1)..<(index + length)] {
            guard next & 0xC0 == 0x80 else { return false }
            scalar = scalar << 6 | UInt32(next & 0x3F)
        }
        switch length {
        case 2: if scalar < 0xA0 { return false }
        case 3: if scalar < 0x800 || (0xD800..<0xE000).contains(scalar) { return false }
        case 4: if scalar < 0x10000 || scalar > 0x10FFFF { return false }
        default: break
        }
        index += length
    }
    return true
}
