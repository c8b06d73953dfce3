extension JSON {
    /// An object with these members, in this order.
    public static func members(_ members: [(key: String, value: JSON)]) -> JSON { .object(JSONObject(members)) }

    public static func count(_ value: Int) -> JSON { .integer(Int64(value)) }

    /// UTF-8 text; what is not UTF-8 is repaired.
    public static func text(_ bytes: [UInt8]) -> JSON { .string(String(decoding: bytes, as: UTF8.self)) }

    /// The value as UTF-8 text on one line, members in their order: the same value always gives the same bytes.
    /// Infinity and NaN, which JSON does not have, become strings.
    public func encoded() -> [UInt8] {
        var text: [UInt8] = []
        append(to: &text)
        return text
    }

    private func append(to text: inout [UInt8]) {
        switch self {
        case .null: text += "null".utf8
        case .boolean(let value): text += (value ? "true" : "false").utf8
        case .integer(let value): text += String(value).utf8
        case .number(let value) where value.isFinite: text += "\(value)".utf8
        case .number(let value): JSON.append("\(value)", to: &text)
        case .string(let value): JSON.append(value, to: &text)
        case .array(let elements):
            text.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                element.append(to: &text)
            }
            text.append(UInt8(ascii: "]"))
        case .object(let members):
            text.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { text.append(UInt8(ascii: ",")) }
                JSON.append(member.key, to: &text)
                text.append(UInt8(ascii: ":"))
                member.value.append(to: &text)
            }
            text.append(UInt8(ascii: "}"))
        }
    }

    private static func append(_ string: String, to text: inout [UInt8]) {
        text.append(UInt8(ascii: "\""))
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): text += [UInt8(ascii: "\\"), byte]
            case 0x20...: text.append(byte)
            default:
                let digits = String(byte, radix: 16)
                text += ("\\u" + String(repeating: "0", count: 4 - digits.count) + digits).utf8
            }
        }
        text.append(UInt8(ascii: "\""))
    }
}
