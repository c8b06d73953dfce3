import Testing

@testable import Lowering
@testable import Tokenization

/// Character sets and composition equal to those of Hugging Face's `tokenizers`, over all of Unicode.
@Suite struct UnicodeTests {
    private func fields() throws -> [[String]] {
        String(decoding: try resource("unicode.txt"), as: UTF8.self).split(separator: "\n").map {
            $0.split(separator: "\t").map(String.init)
        }
    }

    private func set(_ name: String) throws -> ScalarSet {
        switch name {
        case "numeric": return UnicodeProperties.numeric
        case "word": return UnicodeProperties.tokenWord
        default:
            switch try PatternParser.parse(name) {
            case .set(let set): return set
            default: throw CancellationError()
            }
        }
    }

    @Test func setsHoldTheSameCharacters() throws {
        let surrogates = ScalarSet(0xD800...0xDFFF)
        for line in try fields() where line[0] != "NFC" {
            // Ranges without surrogates, which are no scalars.
            let members = try set(line[0]).inverted.union(surrogates).inverted
            let bounds = members.ranges.flatMap { [$0.lowerBound, $0.upperBound] }
            #expect(String(members.ranges.reduce(0) { $0 + $1.count }) == line[1], "\(line[0])")
            let hash = String(fnv(bounds), radix: 16)
            #expect(String(repeating: "0", count: 16 - hash.count) + hash == line[2], "\(line[0])")
        }
    }

    @Test func everyCharacterComposesAlike() throws {
        let tokenizer = try GoldenTokenizers.qwen.get().tokenizer
        for line in try fields() where line[0] == "NFC" {
            let start = try #require(UInt32(line[1]))
            var text: [UInt8] = []
            for value in start..<start + 0x1000 {
                guard let scalar = Unicode.Scalar(value) else { continue }
                text += tokenizer.normalized(Array(String(scalar).utf8)) + [0x0A]
            }
            let hash = String(fnv(text), radix: 16)
            #expect(String(repeating: "0", count: 16 - hash.count) + hash == line[2], "from \(start)")
        }
    }

    @Test func sequencesOfMarksComposeAlike() throws {
        let tokenizer = try GoldenTokenizers.qwen.get().tokenizer
        for (index, expected) in try hashes("composed.hashes").enumerated() {
            var generator = TextGenerator(seed: 7_000_000 + index)
            let text = generator.marks()
            let composed = tokenizer.normalized(text)
            if shortHash(composed) != expected {
                Issue.record("\(index): \(String(decoding: text, as: UTF8.self).unicodeScalars.map { $0.value })")
                return
            }
        }
    }
}
