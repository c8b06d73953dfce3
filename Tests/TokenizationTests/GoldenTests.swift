import Testing

@testable import Tokenization

/// Ids equal to those of Hugging Face's `tokenizers` (scripts/make_tokenizer_goldens.py).
@Suite struct GoldenTests {
    private func check(_ compiled: CompiledTokenizer, _ name: String) throws {
        let expected = try hashes("\(name).hashes")
        #expect(expected.count == 10_000)
        let listed = try resource("\(name).ids").split(separator: 0x0A).map { line in
            line.split(separator: 0x20).compactMap { UInt32(String(decoding: $0, as: UTF8.self)) }
        }
        let texts = TextGenerator.texts(seed: 1, count: expected.count)
        var wrong: [Int] = []
        for (index, text) in texts.enumerated() {
            let ids = compiled.encodeGolden(text, index: index)
            if shortHash(ids) != expected[index] { wrong.append(index) }
        }
        for index in wrong.prefix(5) {
            let text = String(decoding: texts[index], as: UTF8.self)
            let ids = compiled.encodeGolden(texts[index], index: index)
            Issue.record("text \(index) \(text.debugDescription): \(ids), expected \(index < 200 ? listed[index] : [])")
        }
        #expect(wrong.isEmpty)
        for index in 0..<200 where compiled.encodeGolden(texts[index], index: index) != listed[index] {
            Issue.record("text \(index)")
        }
        for (position, file) in ["prose.txt", "code.txt"].enumerated() {
            #expect(compiled.encodeGolden(try resource(file), index: 1) == listed[200 + position], "\(file)")
        }
    }

    @Test func smolLM2FromGGUF() throws {
        try check(try GoldenTokenizers.smolLM2.get(), "smollm2")
    }

    @Test func llamaStyle() throws {
        try check(try GoldenTokenizers.llama.get(), "llama")
    }

    @Test func qwenStyle() throws {
        try check(try GoldenTokenizers.qwen.get(), "qwen")
    }

    @Test func decodingGivesTheTextBack() throws {
        for compiled in [try GoldenTokenizers.llama.get()] {
            for text in TextGenerator.texts(seed: 1, count: 2_000) {
                #expect(compiled.tokenizer.decode(compiled.encode(text)) == text)
            }
        }
    }
}
