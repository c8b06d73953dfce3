import Testing

@testable import Checkpoints
@testable import Lowering
@testable import Tokenization

/// Encoding and decoding where there is no other tokenizer to ask.
@Suite struct EncodingTests {
    @Test func invalidBytesAreEncodedOneByOne() throws {
        let compiled = try GoldenTokenizers.llama.get()
        let texts: [[UInt8]] = [
            [0xFF], [0x61, 0xFF, 0x62], [0xE2, 0x82], [0xE2, 0x82, 0x61], [0xC0, 0x80], [0xED, 0xA0, 0x80],
            [0xF4, 0x90, 0x80, 0x80], [0x20, 0x80, 0x20], Array(repeating: 0xFE, count: 300),
        ]
        for text in texts { #expect(compiled.tokenizer.decode(compiled.encode(text)) == text) }
    }

    @Test func invalidBytesSplitLikeReplacementCharacters() throws {
        let compiled = try GoldenTokenizers.llama.get()
        let valid = compiled.encode(Array("word\u{FFFD}word 12".utf8))
        let invalid = compiled.encode(Array("word".utf8) + [0xFF] + Array("word 12".utf8))
        let replacement = compiled.encode(Array("\u{FFFD}".utf8)).count
        #expect(invalid.count == valid.count - replacement + 1)
        #expect(invalid.first == valid.first)
        #expect(invalid.suffix(2) == valid.suffix(2))
    }

    @Test func compositionKeepsInvalidBytes() throws {
        let tokenizer = try GoldenTokenizers.qwen.get().tokenizer
        let text: [UInt8] = Array("e\u{301}".utf8) + [0xFF, 0xCC] + Array("\u{301}".utf8)
        #expect(tokenizer.normalized(text) == Array("é".utf8) + [0xFF, 0xCC] + Array("\u{301}".utf8))
    }

    @Test func queuedMergesEqualScannedOnes() throws {
        // Pieces just below and above the length at which merging changes its method, and far above.
        let compiled = try GoldenTokenizers.llama.get()
        let letters = Array("selfreturnimportexceptiontheconfigurationparser".utf8)
        for length in [40, 47, 48, 49, 50, 60, 200, 1000] {
            var generator = TextGenerator(seed: length)
            let piece = (0..<length).map { _ in letters[generator.next(letters.count)] }
            #expect(compiled.tokenizer.encode(piece: piece) == referenceMerge(piece, compiled.tokenizer))
        }
    }

    /// The definition of byte-pair merging, in the plainest way.
    private func referenceMerge(_ piece: [UInt8], _ tokenizer: Tokenizer) -> [UInt32] {
        var ids = piece.map { tokenizer.tables.byteTokens[Int($0)] }
        while ids.count > 1 {
            let pairs = (0..<ids.count - 1).map { tokenizer.tables.merge(ids[$0], ids[$0 + 1]) }
            guard let best = pairs.map(\.rank).min(), best != TokenizerLayout.none,
                let place = pairs.firstIndex(where: { $0.rank == best })
            else { break }
            ids[place] = pairs[place].result
            ids.remove(at: place + 1)
        }
        return ids
    }

    @Test func aMegabyteWithoutABreakTakesNoSquareOfTime() throws {
        let compiled = try GoldenTokenizers.llama.get()
        func seconds(_ count: Int) -> Double {
            let text = (0..<count).map { (place: Int) -> UInt8 in 0x61 + UInt8((place * 7919 + place / 13) % 26) }
            let clock = ContinuousClock()
            let time = clock.measure { #expect(!compiled.encode(text).isEmpty) }
            return Double(time.components.seconds) + Double(time.components.attoseconds) * 1e-18
        }
        let small = seconds(1 << 16)
        let large = seconds(1 << 20)
        // Sixteen times the text; a square would be 256 times the time.
        #expect(large < 64 * max(small, 0.01))
    }

    @Test func searchesThatFailAgainAndAgainTakeNoSquareOfTime() throws {
        let changed = try json("unsplit.json").replacing([
            (
                "pre_tokenizer",
                try JSON.parse(
                    #"""
                    {"type": "Sequence", "pretokenizers": [
                      {"type": "Split", "pattern": {"Regex": "e+b|[et]"}, "behavior": "Isolated", "invert": false},
                      {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]}
                    """#)
            )
        ])
        let compiled = try CompiledTokenizer(try TokenizerDefinition(tokenizer: changed))
        let run = [UInt8](repeating: 0x65, count: 100_000)
        let letter = compiled.tokenizer.tables.byteTokens[0x65]
        let clock = ContinuousClock()
        let time = clock.measure {
            let ids = compiled.encode(run + [0x74])
            #expect(ids.count == run.count + 1)
            #expect(ids.dropLast().allSatisfy { $0 == letter })
        }
        // The square would be five thousand million steps.
        #expect(time < .seconds(20))
        #expect(compiled.encode(run + [0x62]) == compiled.tokenizer.encode(piece: run + [0x62]))
    }

    @Test func emptyTextHasNoIdsOfItsOwn() throws {
        let compiled = try GoldenTokenizers.llama.get()
        #expect(compiled.encode([]).isEmpty)
        #expect(compiled.encode([], addSpecial: true).count == 1)
    }

    @Test func roleOfTokensComesFromTheFile() throws {
        let tokenizer = try GoldenTokenizers.smolLM2.get().tokenizer
        #expect(tokenizer.vocabularySize == 49152)
        #expect(tokenizer.beginningOfSequence == 1)
        #expect((0..<49152).filter { tokenizer.isEndOfGeneration($0) } == [0, 2])
        #expect((0..<49152).filter { tokenizer.isSpecial($0) } == Array(0..<17))
        #expect(Array(tokenizer.bytes(of: 2)) == Array("<|im_end|>".utf8))
        #expect(tokenizer.bytes(of: 49152).isEmpty)
        let definition = try TokenizerDefinition(try Checkpoint.open(GoldenTokenizers.smolLM2Path))
        #expect(definition.addsBeginningOfSequence == false)
        #expect(definition.chatTemplate?.contains("<|im_start|>") == true)
    }
}

/// Text that comes token by token.
@Suite struct TextStreamTests {
    @Test func onlyWholeCharactersComeOut() throws {
        let compiled = try GoldenTokenizers.llama.get()
        for text in TextGenerator.texts(seed: 77, count: 500) {
            var stream = TextStream(compiled.tokenizer)
            var all: [UInt8] = []
            // One byte a token: the hardest case.
            for id in text.map({ compiled.tokenizer.tables.byteTokens[Int($0)] }) {
                let part = stream.append(id)
                #expect(String(validating: part, as: UTF8.self) != nil)
                all += part
            }
            #expect(stream.finish().isEmpty)
            #expect(all == text)
        }
    }

    @Test func invalidBytesDoNotBlock() throws {
        let compiled = try GoldenTokenizers.llama.get()
        func parts(_ bytes: [UInt8]) -> [[UInt8]] {
            var stream = TextStream(compiled.tokenizer)
            return bytes.map { stream.append(compiled.tokenizer.tables.byteTokens[Int($0)]) } + [stream.finish()]
        }
        #expect(parts([0x80, 0x61]) == [[0x80], [0x61], []])
        #expect(parts([0xC3, 0x61]) == [[], [0xC3, 0x61], []])
        #expect(parts([0xE0, 0x80, 0x61]) == [[], [0xE0, 0x80], [0x61], []])
        #expect(parts([0xED, 0xA0]) == [[], [0xED, 0xA0], []])
        #expect(parts([0xF4, 0x90]) == [[], [0xF4, 0x90], []])
        #expect(parts([0xF5]) == [[0xF5], []])
        #expect(parts([0xF0, 0x9F, 0x98]) == [[], [], [], [0xF0, 0x9F, 0x98]])
        #expect(parts([0xE2, 0xE2, 0x82, 0xAC]) == [[], [0xE2], [], [0xE2, 0x82, 0xAC], []])
    }

    @Test func specialTokensCanBeLeftOut() throws {
        let compiled = try GoldenTokenizers.smolLM2.get()
        var stream = TextStream(compiled.tokenizer, skipsSpecial: true)
        let ids = compiled.encode(Array("<|im_start|>hi<|im_end|>".utf8))
        #expect(ids.flatMap { stream.append($0) } == Array("hi".utf8))
    }
}
