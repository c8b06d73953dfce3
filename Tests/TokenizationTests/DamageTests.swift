import Testing

@testable import Checkpoints
@testable import Lowering
@testable import Tokenization

/// Each kind of damage that a section's tables can have is found where it is.
@Suite struct DamageTests {
    private typealias Table = TokenizerLayout.Table

    /// A section's tables as numbers, to be changed and written again with a directory that fits.
    private struct Editor {
        var section = TokenizerSection()
        var tables: [[UInt32]] = []

        init(_ bytes: [UInt8]) throws {
            let compiled = try CompiledTokenizer(section: bytes)
            let view = try SectionView(UnsafeRawBufferPointer(compiled.memory))
            section.flags = view.flags
            section.tokenCount = view.tokenCount
            section.beginning = view.beginning
            for table in Table.allCases {
                let width = view.elementBytes(table)
                tables.append(
                    (0..<view.count(table)).map { index in
                        (0..<width).reduce(UInt32(0)) {
                            $0 | UInt32(view.start(table).load(fromByteOffset: index * width + $1, as: UInt8.self))
                                << UInt32(8 * $1)
                        }
                    })
            }
        }

        subscript(table: Table) -> [UInt32] {
            get { tables[table.rawValue] }
            set { tables[table.rawValue] = newValue }
        }

        var bytes: [UInt8] {
            var result = section
            for table in Table.allCases { result.set(table, tables[table.rawValue]) }
            return result.bytes
        }
    }

    private func expect(
        _ section: [UInt8], _ table: Table, _ position: Int, _ fault: TokenizerError.Fault,
        sourceLocation: SourceLocation = #_sourceLocation, _ change: (inout Editor) -> Void
    ) throws {
        var editor = try Editor(section)
        #expect(editor.bytes == section, sourceLocation: sourceLocation)
        change(&editor)
        let damaged = editor.bytes
        #expect(throws: TokenizerError.table(table, position: position, fault), sourceLocation: sourceLocation) {
            _ = try CompiledTokenizer(section: damaged)
        }
    }

    @Test(arguments: [
        (TokenizerLayout.Table.tokenOffsets, TokenizerLayout.Table.tokenBytes), (.wordBuckets, .words),
        (.mergeBuckets, .merges),
    ])
    func startsOfRunsMustCoverTheirElementsInOrder(table: TokenizerLayout.Table, elements: TokenizerLayout.Table) throws
    {
        let section = try TokenizerCompiler.section(for: try SectionTests.definition())
        let last = try Editor(section)[table].count - 1
        try expect(section, table, 0, .outOfRange) { $0[table][0] = 1 }
        try expect(section, table, 3, .unordered) { $0[table][3] = 0xFFFF }
        try expect(section, table, last, .outOfRange) { $0[table][last] += 1 }
        try expect(section, table, last + 2, .count) { $0[table].append($0[table][last]) }
        try expect(section, table, last, .count) { $0[table].removeLast() }
        try expect(section, table, 0, .count) { $0[table] = [] }
    }

    @Test func wordsMustBeTokens() throws {
        let section = try TokenizerCompiler.section(for: try SectionTests.definition())
        let tokens = UInt32(try Editor(section).section.tokenCount)
        try expect(section, .words, 7, .outOfRange) { $0[.words][7] = tokens }
    }

    @Test func mergesMustBeOfTokensAndHaveRanksBelowTheirNumber() throws {
        let plain = try TokenizerCompiler.section(for: try SectionTests.definition())
        let tokens = UInt32(try Editor(plain).section.tokenCount)
        try expect(plain, .merges, 4, .outOfRange) { $0[.merges][4] = tokens }
        try expect(plain, .merges, 4, .outOfRange) { $0[.merges][5] = tokens }
        let count = try Editor(plain)[.merges].count
        try expect(plain, .merges, count + 1, .count) { $0[.merges].append(0) }

        let ranked = try TokenizerCompiler.section(for: try KeyTableTests.ranked())
        let merges = try Editor(ranked)[.merges].count / 3
        try expect(ranked, .merges, 6, .outOfRange) { $0[.merges][8] = UInt32(merges) }
        try expect(ranked, .merges, 3 * merges + 2, .count) { $0[.merges] += [0, 0] }
    }

    @Test func flaggedTokensMustRiseAndHaveKnownFlags() throws {
        var definition = try SectionTests.definition()
        definition.endOfGeneration = [3, 1200]
        let section = try TokenizerCompiler.section(for: definition)
        #expect(try Editor(section)[.flaggedTokens] == [3, 2, 1200, 3])
        let tokens = UInt32(definition.vocabulary.count)
        try expect(section, .flaggedTokens, 1, .outOfRange) { $0[.flaggedTokens][2] = tokens }
        try expect(section, .flaggedTokens, 1, .unordered) { $0[.flaggedTokens][2] = 3 }
        try expect(section, .flaggedTokens, 0, .unknownBits) { $0[.flaggedTokens][1] = 4 }
        try expect(section, .flaggedTokens, 5, .count) { $0[.flaggedTokens].append(1) }
        let tokenizer = try CompiledTokenizer(section: section)
        #expect((0..<tokens + 1).filter { tokenizer.tokenizer.isEndOfGeneration($0) } == [3, 1200])
        #expect((0..<tokens + 1).filter { tokenizer.tokenizer.isSpecial($0) } == [1200])
    }

    @Test func compositionsMustRiseAndGiveScalars() throws {
        let section = try TokenizerCompiler.section(for: try SectionTests.definition())
        let count = try Editor(section)[.compositions].count
        try expect(section, .compositions, 2, .unordered) { $0[.compositions][6] = 0 }
        try expect(section, .compositions, 1, .unordered) {
            $0[.compositions].replaceSubrange(3..<5, with: $0[.compositions][0..<2])
        }
        try expect(section, .compositions, 2, .outOfRange) { $0[.compositions][8] = 0xD800 }
        try expect(section, .compositions, count + 1, .count) { $0[.compositions].append(0) }
    }

    /// Packed numbers are read 4 bytes at a time: what follows them must be there before any is looked at.
    @Test func byteTokensAreCheckedBeforePackedNumbers() throws {
        let section = try TokenizerCompiler.section(for: try SectionTests.definition())
        try expect(section, .byteTokens, 0, .count) {
            for table in Table.allCases where table.rawValue >= Table.byteTokens.rawValue { $0[table] = [] }
            $0[.tokenOffsets][0] = 1
        }
    }

    @Test func unknownFlagsAreRefused() throws {
        var section = try TokenizerCompiler.section(for: try SectionTests.definition())
        section[4] |= 4
        let flags = UInt32(section[4])
        #expect(throws: TokenizerError.unsupportedFlags(flags)) { _ = try CompiledTokenizer(section: section) }
    }
}
