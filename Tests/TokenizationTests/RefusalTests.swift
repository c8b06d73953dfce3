import Testing

@testable import Checkpoints
@testable import Lowering

/// What is not understood is refused by name and place, with the right exit code.
@Suite struct RefusalTests {
    private func refusal(_ changes: [(String, String)]) throws -> CheckpointError? {
        let base = try json("unsplit.json")
        let changed = base.replacing(try changes.map { ($0.0, try JSON.parse($0.1)) })
        do throws(CheckpointError) {
            _ = try TokenizerDefinition(tokenizer: changed)
            return nil
        } catch {
            return error
        }
    }

    @Test func unknownPartsOfTheTokenizerAreNamed() throws {
        let byteLevel = #"{"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}"#
        let cases: [(String, String, String, String)] = [
            ("normalizer", #"{"type": "Lowercase"}"#, "Lowercase", "tokenizer.json.normalizer"),
            (
                "normalizer", #"{"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "NFKC"}]}"#, "NFKC",
                "tokenizer.json.normalizer.normalizers[1]"
            ),
            ("pre_tokenizer", #"{"type": "Metaspace"}"#, "Metaspace", "tokenizer.json.pre_tokenizer"),
            (
                "pre_tokenizer", #"{"type": "Sequence", "pretokenizers": [\#(byteLevel), {"type": "Punctuation"}]}"#,
                "behind ByteLevel", "tokenizer.json.pre_tokenizer.pretokenizers[1]"
            ),
            ("pre_tokenizer", "null", "ByteLevel", "tokenizer.json.pre_tokenizer"),
            ("post_processor", #"{"type": "BertProcessing"}"#, "BertProcessing", "tokenizer.json.post_processor"),
            ("decoder", #"{"type": "WordPiece"}"#, "WordPiece", "tokenizer.json.decoder"),
            ("model", #"{"type": "Unigram", "vocab": []}"#, "Unigram", "tokenizer.json.model.type"),
            (
                "model", #"{"type": "BPE", "vocab": {"a": 0}, "merges": [], "byte_fallback": true}"#, "byte fallback",
                "tokenizer.json.model.byte_fallback"
            ),
            (
                "model", #"{"type": "BPE", "vocab": {"a": 0}, "merges": [], "dropout": 0.1}"#, "dropout",
                "tokenizer.json.model.dropout"
            ),
            (
                "model", #"{"type": "BPE", "vocab": {"a": 0}, "merges": [], "wonder": 1}"#, "wonder",
                "tokenizer.json.model.wonder"
            ),
            ("surprise", "1", "surprise", "tokenizer.json.surprise"),
        ]
        for (member, value, name, place) in cases {
            let error = try #require(try refusal([(member, value)]), "\(value)")
            #expect(error.exitCode == 69, "\(value)")
            #expect(error.cause.contains(name), "\(error.cause)")
            #expect(error.place == .key(place), "\(value)")
        }
    }

    @Test func contradictionsAreBadFiles() throws {
        let models = [
            #"{"type": "BPE", "vocab": {"a": 0, "b": 0}, "merges": []}"#,
            #"{"type": "BPE", "vocab": {"a": -1}, "merges": []}"#,
            #"{"type": "BPE", "vocab": {"a": 99999999999}, "merges": []}"#,
            #"{"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": ["a b"]}"#,
            #"{"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a  b"]}"#,
            #"{"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a"]]}"#,
            #"{"type": "BPE", "vocab": [], "merges": []}"#,
            #"{"type": "BPE", "vocab": {"a": 0}, "merges": [], "unk_token": "u"}"#,
        ]
        for model in models { #expect(try refusal([("model", model)])?.exitCode == 65, "\(model)") }
        let added = [
            #"[{"id": 1, "content": ""}]"#, #"[{"id": 1, "content": "<x>"}]"#, #"[{"content": "<x>"}]"#,
            #"[{"id": 5000, "content": "<x>"}, {"id": 5000, "content": "<y>"}]"#,
        ]
        for tokens in added { #expect(try refusal([("added_tokens", tokens)])?.exitCode == 65, "\(tokens)") }
    }

    @Test func patternsBeyondTheAutomatonAreRefusedAtTheirOffset() {
        let cases: [(String, Int)] = [
            ("a(?<=b)", 1), ("a++", 2), ("(a*)*", 0), ("^a", 0), ("a$", 1), ("a(?=bc)", 4), (#"\bword"#, 0),
            (#"\p{Han}+"#, 0), ("[a[b]]", 2), ("[a&&b]", 2), ("(?i:ß)", 4), ("(?i:ss)", 5), (#"(?i:\p{Lu})"#, 4),
            ("(a", 0), ("a)", 1), ("[a", 0), ("a{2", 1), ("a{3,2}", 1), ("a{1,9999}", 1), ("*a", 0), (#"\h"#, 0),
            ("a**", 2), ("(?>a)", 0), (#"(a)\1"#, 3), ("a{2}?", 4), ("[b-a]", 1), (#"[\s-a]"#, 3),
        ]
        for (pattern, offset) in cases {
            do {
                _ = try PatternAutomaton(try PatternParser.parse(pattern), pattern: pattern)
                Issue.record("\(pattern) was accepted")
            } catch {
                guard case .unsupportedPattern(_, let found, _) = error else {
                    Issue.record("\(pattern): \(error)")
                    continue
                }
                #expect(found == offset, "\(pattern)")
                #expect(error.exitCode == 69)
            }
        }
    }

    @Test func patternsThatMatchNothingAreRefused() {
        for pattern in ["", "a*", "a?|b", "(?=a)", #"\s*(?!\S)"#] {
            #expect(throws: TokenizerLoweringError.self, "\(pattern)") {
                try PatternAutomaton(try PatternParser.parse(pattern), pattern: pattern)
            }
        }
    }

    @Test func aPatternWithTooManyStatesIsRefused() {
        let pattern = "(?:a|b)*a(?:a|b){14}"
        #expect(throws: TokenizerLoweringError.self) {
            try PatternAutomaton(try PatternParser.parse(pattern), pattern: pattern)
        }
    }

    @Test func unknownPreTokenizerOfGGUFIsNamed() throws {
        #expect(throws: CheckpointError.self) { try GGUFPreTokenizer(name: "default") }
        do {
            _ = try GGUFPreTokenizer(name: "mystery")
        } catch {
            #expect(error.exitCode == 69)
            #expect(error.cause.contains("mystery"))
            #expect(error.place == .key("tokenizer.ggml.pre"))
        }
    }

    @Test func aSpacePutBeforeTheTextIsRefused() throws {
        let changed = try json("unsplit.json").replacing([
            ("pre_tokenizer", try JSON.parse(#"{"type": "ByteLevel", "add_prefix_space": true}"#))
        ])
        let definition = try TokenizerDefinition(tokenizer: changed)
        #expect(throws: TokenizerLoweringError.self) { try TokenizerCompiler.section(for: definition) }
    }
}
