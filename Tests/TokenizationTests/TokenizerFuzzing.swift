@testable import Tokenization

/// What a fuzzer does with bytes that claim to be a tokenizer section.
enum TokenizerFuzzing {
    private static let text: [UInt8] = {
        var text: [UInt8] = []
        for sample in TextGenerator.texts(seed: 5, count: 12) { text += sample }
        text += [0xFF, 0xE2, 0x82, 0xC0, 0x80, 0xF5, 0x41, 0xED, 0xA0, 0x80, 0xCC]
        return text + Array(repeating: 0x61, count: 200)
    }()

    /// Opens the bytes and uses everything; whether they were accepted.
    @discardableResult
    static func run(_ section: [UInt8]) -> Bool {
        guard let compiled = try? CompiledTokenizer(section: section) else { return false }
        for parsesSpecial in [false, true] {
            let ids = compiled.encode(text, addSpecial: true, parseSpecial: parsesSpecial)
            var stream = TextStream(compiled.tokenizer, skipsSpecial: parsesSpecial)
            var length = 0
            for id in ids { length += stream.append(id).count }
            length += stream.finish().count
            precondition(length <= compiled.tokenizer.decode(ids).count)
        }
        for id in [0, UInt32(compiled.tokenizer.vocabularySize), UInt32.max] {
            _ = compiled.tokenizer.bytes(of: id).count
            _ = compiled.tokenizer.isEndOfGeneration(id)
            _ = compiled.tokenizer.isSpecial(id)
        }
        return true
    }
}
