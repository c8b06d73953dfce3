import Testing

@testable import Checkpoints
@testable import Lowering
@testable import Tokenization

/// What opening a section refuses, and that nothing it accepts can do harm.
@Suite struct SectionTests {
    /// A small definition that uses every table.
    static func definition() throws -> TokenizerDefinition {
        let base = try json("unsplit.json")
        let changed = base.replacing([
            ("normalizer", try JSON.parse(#"{"type": "NFC"}"#)),
            (
                "added_tokens",
                try JSON.parse(
                    #"""
                    [{"id": 1200, "content": "<|im_start|>", "special": true, "lstrip": true, "rstrip": true},
                     {"id": 1201, "content": "<tool>", "special": false, "single_word": true, "normalized": true}]
                    """#)
            ),
            (
                "pre_tokenizer",
                try JSON.parse(
                    #"""
                    {"type": "Sequence", "pretokenizers": [
                      {"type": "Digits", "individual_digits": false},
                      {"type": "Split", "pattern": {"Regex": "\\s"}, "behavior": "MergedWithPrevious", "invert": false},
                      {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}]}
                    """#)
            ),
        ])
        return try TokenizerDefinition(tokenizer: changed)
    }

    @Test func sameDefinitionGivesTheSameBytes() throws {
        let definition = try SectionTests.definition()
        #expect(try TokenizerCompiler.section(for: definition) == TokenizerCompiler.section(for: definition))
    }

    @Test func everyTruncationIsRefused() throws {
        let section = try TokenizerCompiler.section(for: try SectionTests.definition())
        var lengths = Array(0..<1024)
        lengths += stride(from: 1024, to: section.count, by: 499)
        for length in lengths {
            #expect(throws: TokenizerError.self) { _ = try CompiledTokenizer(section: Array(section[..<length])) }
        }
    }

    @Test func misalignedMemoryIsRefused() throws {
        let section = try TokenizerCompiler.section(for: try SectionTests.definition())
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: section.count + 8, alignment: 8)
        defer { memory.deallocate() }
        let moved = UnsafeMutableRawBufferPointer(rebasing: memory[4..<4 + section.count])
        moved.copyBytes(from: section)
        #expect(throws: TokenizerError.misaligned) { _ = try Tokenizer(section: UnsafeRawBufferPointer(moved)) }
    }

    @Test(arguments: [UInt8(1), 9]) func otherVersionsAreRefusedByNumber(version: UInt8) throws {
        var section = try TokenizerCompiler.section(for: try SectionTests.definition())
        section[0] = version
        let error = TokenizerError.unsupportedVersion(UInt32(version))
        #expect(throws: error) { _ = try CompiledTokenizer(section: section) }
        #expect(String(decoding: error.cause, as: UTF8.self).contains("version \(version)"))
        #expect(error.exitCode == 69)
    }

    @Test func everyFlipInTheHeaderIsRefusedOrHarmless() throws {
        let section = try TokenizerCompiler.section(for: try SectionTests.definition())
        for position in 0..<TokenizerLayout.headerBytes {
            for bit in 0..<8 {
                var damaged = section
                damaged[position] ^= 1 << UInt8(bit)
                TokenizerFuzzing.run(damaged)
            }
        }
    }

    @Test func flipsAnywhereAreRefusedOrHarmless() throws {
        let section = try TokenizerCompiler.section(for: try SectionTests.definition())
        let compiled = try CompiledTokenizer(section: section)
        let view = try SectionView(UnsafeRawBufferPointer(compiled.memory))
        var generator = TextGenerator(seed: 42)
        var refused = 0
        for round in 0..<1_500 {
            var damaged = section
            // One flip in each table in turn, so that small tables get their share.
            let table = TokenizerLayout.Table.allCases[round % TokenizerLayout.Table.allCases.count]
            let start = view.start(table) - view.base
            let count = view.count(table) * view.elementBytes(table)
            if count == 0 { continue }
            for _ in 0...generator.next(3) { damaged[start + generator.next(count)] ^= 1 << UInt8(generator.next(8)) }
            if !TokenizerFuzzing.run(damaged) { refused += 1 }
        }
        #expect(refused > 100)
    }
}
