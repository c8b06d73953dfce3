import Testing

@testable import Checkpoints
@testable import Lowering
@testable import Tokenization

/// Other pre-tokenizers, behaviors and kinds of added tokens, around a vocabulary whose tokens reach across boundaries.
@Suite struct CaseTests {
    @Test func everyCaseGivesTheSameIds() throws {
        let base = try json("unsplit.json")
        let cases = try #require(try json("cases.json").array)
        let expected = try hashes("cases.hashes")
        let count = 2_000
        #expect(expected.count == cases.count * count)
        for (number, value) in cases.enumerated() {
            let name = try #require(value["name"]?.string)
            let changed = base.replacing(
                ["pre_tokenizer", "normalizer", "added_tokens"].map { ($0, value[$0] ?? .null) })
            let compiled = try CompiledTokenizer(try TokenizerDefinition(tokenizer: changed))
            var wrong = 0
            for (index, text) in TextGenerator.texts(seed: 100_000 * (number + 1), count: count).enumerated()
            where shortHash(compiled.encodeGolden(text, index: index)) != expected[number * count + index] {
                wrong += 1
                if wrong == 1 {
                    Issue.record("\(name), text \(index): \(String(decoding: text, as: UTF8.self).debugDescription)")
                }
            }
            #expect(wrong == 0, "\(name)")
        }
    }
}
