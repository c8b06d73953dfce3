/// Turns ids that come one by one into text, holding back a character that is not complete yet.
///
/// All that it yields, put together, is what `Tokenizer.decode` gives for the same ids; bytes that cannot become a
/// character are passed on as they are, at once.
public struct TextStream: Sendable {
    private let tokenizer: Tokenizer
    private let skipsSpecial: Bool
    private var held: [UInt8] = []

    /// - Parameter skipsSpecial: leaves out the text of special tokens.
    public init(_ tokenizer: Tokenizer, skipsSpecial: Bool = false) {
        self.tokenizer = tokenizer
        self.skipsSpecial = skipsSpecial
    }

    /// Takes the next id and gives the text that is complete by now; often one token's, sometimes none.
    public mutating func append(_ id: UInt32) -> [UInt8] {
        if skipsSpecial, tokenizer.isSpecial(id) { return [] }
        held.append(contentsOf: tokenizer.bytes(of: id))
        let incomplete = TextStream.incompleteTail(held)
        let text = [UInt8](held[..<(held.count - incomplete)])
        held.removeFirst(text.count)
        return text
    }

    /// Gives what is still held back, at the end.
    public mutating func finish() -> [UInt8] {
        let text = held
        held = []
        return text
    }

    /// Bytes at the end that more bytes could make a character of: 0 to 3.
    static func incompleteTail(_ text: [UInt8]) -> Int {
        var length = 1
        while length <= 3, length <= text.count {
            let first = text[text.count - length]
            if first & 0xC0 != 0x80 {
                return canGrow(text[(text.count - length)...]) ? length : 0
            }
            length += 1
        }
        return 0
    }

    /// Whether bytes are the beginning of a well-formed character and not all of it.
    private static func canGrow(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard let first = bytes.first else { return false }
        let needed =
            switch first {
            case 0xC2...0xDF: 2
            case 0xE0...0xEF: 3
            case 0xF0...0xF4: 4
            default: 0
            }
        guard bytes.count < needed else { return false }
        guard bytes.count > 1 else { return true }
        // The second byte alone tells overlong forms, surrogates and values past U+10FFFF.
        let second = bytes[bytes.startIndex + 1]
        return switch first {
        case 0xE0: second >= 0xA0
        case 0xED: second < 0xA0
        case 0xF0: second >= 0x90
        case 0xF4: second < 0x90
        default: true
        }
    }
}
