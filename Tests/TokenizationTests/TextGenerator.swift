/// The texts of the golden files, drawn exactly as scripts/make_tokenizer_goldens.py draws them.
struct TextGenerator {
    private var state: UInt64

    init(seed: Int) {
        state = UInt64(seed)
    }

    /// splitmix64.
    mutating func next(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((value ^ (value >> 31)) % UInt64(bound))
    }

    private mutating func scalar(_ low: Int, _ high: Int) -> String {
        let value = low + next(high - low + 1)
        return String(Unicode.Scalar(UInt32(value)) ?? "\u{FFFD}")
    }

    private mutating func run(_ longest: Int, _ low: Int, _ high: Int) -> String {
        var result = ""
        for _ in 0..<1 + next(longest) { result += scalar(low, high) }
        return result
    }

    private mutating func pick<Element>(_ choices: [Element]) -> Element {
        choices[next(choices.count)]
    }

    private mutating func part() -> String {
        switch next(17) {
        case 0: return scalar(0x20, 0x7E)
        case 1: return run(8, 0x61, 0x7A)
        case 2:
            var result = ""
            for _ in 0..<1 + next(5) { result += pick(Self.spaces) }
            return result
        case 3: return run(7, 0x30, 0x39)
        case 4: return pick(Self.contractions)
        case 5: return pick(Self.emoji)
        case 6:
            let letter = scalar(0x61, 0x7A)
            return letter + run(4, 0x300, 0x36F)
        case 7: return scalar(0, 0xFFFF)
        case 8: return scalar(0, 0x10FFFF)
        case 9: return pick(Self.specials)
        case 10:
            let (low, high) = pick(Self.blocks)
            return run(5, low, high)
        case 11: return pick(Self.numbers)
        case 12: return run(4, 0x21, 0x2F)
        case 13: return pick(Self.words)
        case 14:
            let letter = scalar(0x41, 0x5A)
            return letter + run(3, 0x41, 0x7A)
        case 15: return run(3, 0xC0, 0x17F)
        default: return " " + run(6, 0x61, 0x7A)
        }
    }

    mutating func text() -> [UInt8] {
        var result: [UInt8] = []
        for _ in 0..<1 + next(16) { result += Array(part().utf8) }
        return result
    }

    /// Text for composition: letters, jamo and syllables among marks of all classes.
    mutating func marks() -> [UInt8] {
        var result: [UInt8] = []
        for _ in 0..<1 + next(8) {
            switch next(5) {
            case 0: result += Array(run(2, 0x41, 0x7A).utf8)
            case 1: result += Array(run(5, 0x300, 0x345).utf8)
            case 2: result += Array(run(3, 0x1100, 0x11FF).utf8)
            case 3: result += Array(run(1, 0xAC00, 0xD7A3).utf8)
            default:
                let (low, high) = pick(Self.markBlocks)
                result += Array(run(3, low, high).utf8)
            }
        }
        return result
    }

    static func texts(seed: Int, count: Int) -> [[UInt8]] {
        (0..<count).map {
            var generator = TextGenerator(seed: seed + $0)
            return generator.text()
        }
    }

    private static let specials = [
        "<|begin_of_text|>", "<|eot_id|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<file_sep>", "<tool>",
        "<tool>s", "caf\u{e9}", "cafe\u{301}", "<pad>", "<|im", "_end|>",
    ]
    private static let contractions = [
        "'s", "'S", "'t", "'RE", "'re", "'Ve", "'m", "'ll", "'LL", "'d", "'\u{17f}", "\u{2019}s", "'x", "''s",
    ]
    private static let emoji = [
        "\u{1f600}", "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}", "\u{1f44d}\u{1f3fd}", "\u{2764}\u{fe0f}",
        "\u{1f1e9}\u{1f1ea}", "#\u{fe0f}\u{20e3}", "\u{1f3f4}\u{e0067}\u{e0062}\u{e007f}",
    ]
    private static let spaces = [
        " ", " ", " ", "\n", "\r", "\t", "\r\n", "\u{a0}", "\u{3000}", "\u{2028}", "\u{85}", "\u{200b}", "\u{b}",
    ]
    private static let numbers = [
        "\u{bd}", "\u{b2}", "\u{2167}", "\u{663}", "\u{1d7d8}", "\u{4e00}", "\u{967}", "\u{2460}", "\u{10d40}",
        "\u{11de1}",
    ]
    private static let words = [
        " the", " of", " and", "def ", "return", " in", "self.", " is", "import ", "for", " not", "None", "class", "==",
        "    ", "()", "HTTPServer", " XMLParser", "don't", "WE'LL", "I'm",
    ]
    private static let blocks = [
        (0x400, 0x4FF), (0x370, 0x3FF), (0x600, 0x6FF), (0x590, 0x5FF), (0x900, 0x97F), (0xE00, 0xE7F),
        (0xAC00, 0xD7A3), (0x1100, 0x11FF), (0x4E00, 0x9FFF), (0x3040, 0x30FF), (0x1D400, 0x1D7FF), (0xC0, 0x24F),
        (0x1E00, 0x1FFF), (0x10D40, 0x10D8F), (0x20000, 0x2A6DF), (0xF900, 0xFAFF), (0x2150, 0x218F),
        (0x2000, 0x206F),
    ]
    private static let markBlocks = [
        (0x5B0, 0x5C7), (0x64B, 0x65F), (0x93C, 0x94D), (0x1DC0, 0x1DFF), (0x20D0, 0x20F0), (0xC0, 0x24F),
        (0x1E00, 0x1FFF), (0x11930, 0x11945), (0x1D157, 0x1D172),
    ]
}
