import Compiler
import Foundation
import Testing

@Suite("The calibration text")
struct CalibrationTextTests {
    private let text = CalibrationText.standard

    @Test("is the file in the sources, byte for byte, and valid UTF-8")
    func embedded() throws {
        let file = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Sources/CCalibration/default.txt")
        #expect(text == Array(try Data(contentsOf: file)))
        #expect(text.count > 50_000)
        let string = try #require(String(validating: text, as: UTF8.self))
        #expect(!string.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" && $0 != "\t" })
    }

    @Test("says nothing twice")
    func varied() {
        let lines = String(decoding: text, as: UTF8.self).split(separator: "\n").filter { $0.count > 60 }
        #expect(lines.count > 250)
        #expect(Set(lines).count == lines.count)
    }

    @Test("a byte-level tokenizer gives at least 12,000 tokens, and the text back")
    func tokens() throws {
        let compiled = try TestTokenizer(TestModel.resource("llama"))
        let tokens = compiled.tokenizer.encode(text, addSpecial: false, parseSpecial: true)
        #expect(tokens.count >= 12_000)
        #expect(compiled.tokenizer.decode(tokens) == text)
    }

    @Test("enough chunks of SmolLM2's tokens")
    func realTokens() throws {
        let compiled = try TestTokenizer(TestModel.realModel)
        let count = compiled.tokenizer.encode(text, addSpecial: false, parseSpecial: true).count
        #expect((16_000...24_000).contains(count))
    }
}
