import Testing

@testable import Checkpoints
@testable import Lowering
@testable import Tokenization

/// The tables of words and merges: what is in them is found, nothing else is, and they are small.
@Suite struct KeyTableTests {
    /// A tokenizer whose last merges make tokens that earlier ones make as well, so that results do not tell the ranks.
    static func ranked() throws -> TokenizerDefinition {
        var definition = try TokenizerDefinition(tokenizer: try json("unsplit.json"))
        let listed = Set(definition.merges.map { [$0.left, $0.right] })
        let unlisted = definition.merges.filter { !listed.contains([$0.right, $0.left]) && $0.left != $0.right }
        for (merge, other) in zip(unlisted.prefix(20), definition.merges) {
            definition.merges.append(.init(left: merge.right, right: merge.left, result: other.result))
        }
        return definition
    }

    static func definitions() throws -> [TokenizerDefinition] {
        try ["llama.json", "qwen.json", "unsplit.json"].map { try TokenizerDefinition(tokenizer: try json($0)) }
            + [ranked(), TokenizerDefinition(try Checkpoint.open(GoldenTokenizers.smolLM2Path))]
    }

    @Test func everyMergeIsFoundAndNoOther() throws {
        for definition in try KeyTableTests.definitions() {
            let compiled = try CompiledTokenizer(definition)
            // The tables lie in memory that the tokenizer owns.
            defer { withExtendedLifetime(compiled) {} }
            let tables = compiled.tokenizer.tables
            var results: [UInt64: UInt32] = [:]
            var ranks: [UInt32] = []
            for merge in definition.merges {
                let found = tables.merge(merge.left, merge.right)
                #expect(found.result == merge.result)
                ranks.append(found.rank)
                results[UInt64(merge.left) << 32 | UInt64(merge.right)] = merge.result
            }
            #expect(!zip(ranks, ranks.dropFirst()).contains { $0 >= $1 })
            var generator = TextGenerator(seed: 3)
            for _ in 0..<20_000 {
                let left = UInt32(generator.next(definition.vocabulary.count))
                let right = UInt32(generator.next(definition.vocabulary.count))
                let isFound = tables.merge(left, right).rank != TokenizerLayout.none
                #expect(isFound == (results[UInt64(left) << 32 | UInt64(right)] != nil))
            }
        }
    }

    @Test func ranksAreStoredOnlyWhereResultsDoNotTellThem() throws {
        let plain = try TokenizerDefinition(tokenizer: try json("unsplit.json"))
        for (definition, numbers) in [(plain, 2), (try KeyTableTests.ranked(), 3)] {
            let compiled = try CompiledTokenizer(definition)
            withExtendedLifetime(compiled) { #expect($0.tokenizer.tables.mergeNumbers == numbers) }
        }
    }

    @Test func aPairThatIsListedTwiceHasItsLaterRank() throws {
        var definition = try TokenizerDefinition(tokenizer: try json("unsplit.json"))
        let first = try #require(definition.merges.first)
        definition.merges.append(first)
        let compiled = try CompiledTokenizer(definition)
        defer { withExtendedLifetime(compiled) {} }
        let tables = compiled.tokenizer.tables
        let last = definition.merges[definition.merges.count - 2]
        #expect(tables.merge(first.left, first.right).rank > tables.merge(last.left, last.right).rank)
        #expect(tables.merge(first.left, first.right).result == first.result)
    }

    @Test func everyWordIsFound() throws {
        let tokenizer = try GoldenTokenizers.smolLM2.get().tokenizer
        let definition = try TokenizerDefinition(try Checkpoint.open(GoldenTokenizers.smolLM2Path))
        var words = 0
        for token in definition.vocabulary.compactMap({ $0 }) where token.isByteLevel && token.bytes.count > 1 {
            let id = token.bytes.withUnsafeBufferPointer { memory in
                memory.baseAddress.map { tokenizer.tables.word($0, count: memory.count) } ?? TokenizerLayout.none
            }
            if id == TokenizerLayout.none { continue }
            words += 1
            #expect(Array(tokenizer.bytes(of: id)) == token.bytes)
            // One byte more or less is another word or none.
            let other = token.bytes.dropLast() + [token.bytes[token.bytes.count - 1] ^ 1]
            #expect(tokenizer.decode(tokenizer.encode(piece: Array(other))) == Array(other))
        }
        #expect(words > 48_000)
    }

    @Test func bucketsAreShort() throws {
        let tables = try GoldenTokenizers.smolLM2.get().tokenizer.tables
        func longest(_ starts: PackedNumbers, _ buckets: Int) -> Int {
            (0..<buckets).map { starts.pair(at: $0) }.map { $0.1 - $0.0 }.max() ?? 0
        }
        #expect(longest(tables.mergeBuckets, tables.tokenCount) <= 12)
        #expect(longest(tables.wordBuckets, tables.wordBucketCount) <= 12)
    }

    @Test func theRealTokenizerTakesAMegabyte() throws {
        #expect(try GoldenTokenizers.smolLM2.get().memory.count < 1_050_000)
    }

    /// Vocabularies whose ids take 1 and 3 bytes encode like the one of 2 that they hold.
    @Test func idsOfEveryWidthEncodeTheSame() throws {
        let definition = try TokenizerDefinition(tokenizer: try json("unsplit.json"))
        var wide = definition
        let pads = (0..<70_000).map {
            TokenizerDefinition.Token?.some(.init(bytes: Array("<\($0)>".utf8), isByteLevel: false))
        }
        wide.vocabulary += pads
        let compiled = try (CompiledTokenizer(definition), CompiledTokenizer(wide))
        for text in TextGenerator.texts(seed: 9, count: 300) {
            #expect(compiled.0.encode(text) == compiled.1.encode(text))
        }
        #expect(Array(compiled.1.tokenizer.bytes(of: UInt32(wide.vocabulary.count - 1))) == Array("<69999>".utf8))

        var narrow = definition
        narrow.vocabulary =
            (0..<200).map { .init(bytes: [UInt8($0)], isByteLevel: true) } + [.init(bytes: [1, 2], isByteLevel: true)]
        narrow.merges = [.init(left: 1, right: 2, result: 200)]
        narrow.addedTokens = []
        let small = try CompiledTokenizer(narrow)
        #expect(small.encode([0, 1, 2, 199, 250, 1]) == [0, 200, 199, 1])
    }

    @Test func packedNumbersReadBackInEveryWidth() {
        let bytes: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
        bytes.withUnsafeBytes { memory in
            guard let start = memory.baseAddress else { return }
            for (width, expected) in [(1, 0x03), (2, 0x0605), (3, 0x09_0807)] as [(Int, UInt32)] {
                #expect(PackedNumbers(start, width: width)[2] == expected)
            }
            #expect(PackedNumbers(start, width: 4)[1] == 0x0807_0605)
            #expect(PackedNumbers(start, width: 3).pair(at: 1) == (0x06_0504, 0x09_0807))
        }
    }

    @Test func byteStringsOfEveryLengthAreReadWhole() {
        let bytes = Array(UInt8(0x81)...0x98)
        bytes.withUnsafeBufferPointer { memory in
            guard let start = memory.baseAddress else { return }
            for length in 0...7 {
                let expected = bytes[..<length].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                #expect(ByteString.rest(start, count: length) == expected)
            }
            for length in 0...bytes.count {
                #expect(ByteString.equal(start, start, count: length))
                for place in 0..<length {
                    var other = bytes
                    other[place] ^= 0x10
                    #expect(
                        !other.withUnsafeBufferPointer { other in
                            other.baseAddress.map { ByteString.equal(start, $0, count: length) } ?? true
                        })
                }
            }
        }
    }
}
