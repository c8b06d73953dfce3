/// UTF-8 as the tokenizer reads it: well-formed characters, and single bytes where there is none.
enum ScalarDecoding {
    /// What patterns see in place of a byte that belongs to no character.
    static let replacement: UInt32 = 0xFFFD

    static func isScalar(_ value: UInt32) -> Bool {
        value < 0xD800 || (0xE000..<0x110000).contains(value)
    }

    /// The character at `position` < `end`, and its length; length 1 and nil for a byte that begins none.
    @inline(__always)
    static func scalar(_ text: UnsafePointer<UInt8>, at position: Int, end: Int) -> (value: UInt32?, length: Int) {
        let first = UInt32(text[position])
        if first < 0x80 { return (first, 1) }
        let available = end &- position
        if first < 0xE0 {
            guard first >= 0xC2, available > 1, let second = continuation(text[position &+ 1]) else { return (nil, 1) }
            return ((first & 0x1F) << 6 | second, 2)
        }
        guard available > 2, let second = continuation(text[position &+ 1]),
            let third = continuation(text[position &+ 2])
        else { return (nil, 1) }
        if first < 0xF0 {
            let value = (first & 0x0F) << 12 | second << 6 | third
            return value >= 0x800 && !(0xD800..<0xE000).contains(value) ? (value, 3) : (nil, 1)
        }
        guard first < 0xF5, available > 3, let fourth = continuation(text[position &+ 3]) else { return (nil, 1) }
        let value = (first & 0x07) << 18 | second << 12 | third << 6 | fourth
        return (0x10000..<0x110000).contains(value) ? (value, 4) : (nil, 1)
    }

    /// The character that ends before `position` > `start`, and its length; as above where there is none.
    static func scalar(_ text: UnsafePointer<UInt8>, before position: Int, start: Int) -> (value: UInt32?, length: Int)
    {
        var length = 1
        while length <= 4, position - length >= start {
            let decoded = scalar(text, at: position - length, end: position)
            if decoded.value != nil, decoded.length == length { return decoded }
            length += 1
        }
        return (nil, 1)
    }

    @inline(__always)
    private static func continuation(_ byte: UInt8) -> UInt32? {
        byte & 0xC0 == 0x80 ? UInt32(byte & 0x3F) : nil
    }

    /// Appends a scalar in UTF-8.
    @inline(__always)
    static func append(_ value: UInt32, to text: inout [UInt8]) {
        if value < 0x80 {
            text.append(UInt8(truncatingIfNeeded: value))
            return
        }
        if value < 0x800 {
            text.append(UInt8(truncatingIfNeeded: 0xC0 | value >> 6))
        } else {
            if value < 0x10000 {
                text.append(UInt8(truncatingIfNeeded: 0xE0 | value >> 12))
            } else {
                text.append(UInt8(truncatingIfNeeded: 0xF0 | value >> 18))
                text.append(UInt8(truncatingIfNeeded: 0x80 | value >> 12 & 0x3F))
            }
            text.append(UInt8(truncatingIfNeeded: 0x80 | value >> 6 & 0x3F))
        }
        text.append(UInt8(truncatingIfNeeded: 0x80 | value & 0x3F))
    }

    /// Unicode's White_Space.
    static func isWhitespace(_ value: UInt32) -> Bool {
        switch value {
        case 0x09...0x0D, 0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }
}
