import Checkpoints
import Tokenization

/// Compiles a tokenizer's definition into the tables that the runtime uses in place.
public enum TokenizerCompiler {
    /// The bytes of the plan's tokenizer section (formats/tokenizer.md, "Layout"); the same for the same definition.
    ///
    /// Fails where the definition asks for something that the runtime cannot do exactly.
    public static func section(for definition: TokenizerDefinition) throws(TokenizerLoweringError) -> [UInt8] {
        var section = TokenizerSection()
        try addTokens(definition, to: &section)
        addMerges(definition, to: &section)
        section.set(.prefix, definition.prefix)
        section.set(.suffix, definition.suffix)
        try PreTokenizerCompiler.add(definition.preTokenizers, to: &section)
        addNormalization(definition, to: &section)
        addWords([], to: &section)
        addAddedTokens(definition, normalized: definition.addedTokens.map(\.content), to: &section)

        // What remains is asked of the runtime itself over the tables so far: which pieces are tokens, and how texts of
        // added tokens are normalized.
        let draft = section.bytes
        let outcome: Result<(words: [(bytes: [UInt8], id: UInt32)], normalized: [[UInt8]]), TokenizerError> =
            withTokenizer(draft) { tokenizer in
                (wholePieces(definition, tokenizer), definition.addedTokens.map { tokenizer.normalized($0.content) })
            }
        switch outcome {
        case .failure(let error): throw .refused(error)
        case .success(let known):
            addWords(known.words, to: &section)
            addAddedTokens(definition, normalized: known.normalized, to: &section)
        }
        let bytes = section.bytes
        if case .failure(let error) = withTokenizer(bytes, { _ in }) { throw .refused(error) }
        return bytes
    }

    /// Opens a section that lies in an array.
    private static func withTokenizer<Value>(
        _ section: [UInt8], _ body: (Tokenizer) -> Value
    ) -> Result<Value, TokenizerError> {
        // Arrays of 64-bit words are aligned as sections must be.
        var words = [UInt64](repeating: 0, count: (section.count + 7) / 8)
        words.withUnsafeMutableBytes { $0.copyBytes(from: section) }
        return words.withUnsafeBytes { memory in
            do throws(TokenizerError) {
                let used = UnsafeRawBufferPointer(rebasing: memory[..<section.count])
                return .success(body(try Tokenizer(section: used)))
            } catch {
                return .failure(error)
            }
        }
    }

    private static func addTokens(
        _ definition: TokenizerDefinition, to section: inout TokenizerSection
    ) throws(TokenizerLoweringError) {
        guard !definition.vocabulary.isEmpty, definition.vocabulary.count <= TokenizerLayout.maximumTokens else {
            throw .unsupported(feature: "a vocabulary of \(definition.vocabulary.count) tokens")
        }
        guard definition.merges.count < TokenizerLayout.maximumTokens else {
            throw .unsupported(feature: "a list of \(definition.merges.count) merges")
        }
        section.tokenCount = definition.vocabulary.count
        section.beginning = definition.beginningOfSequence ?? TokenizerLayout.none
        var offsets: [UInt32] = [0]
        var bytes: [UInt8] = []
        var flags: [UInt32: UInt32] = [:]
        var byteTokens = [UInt32](repeating: definition.unknown ?? TokenizerLayout.none, count: 256)
        for (id, token) in definition.vocabulary.enumerated() {
            bytes += token?.bytes ?? []
            guard bytes.count < Int(UInt32.max) else { throw .unsupported(feature: "so much text in a vocabulary") }
            offsets.append(UInt32(bytes.count))
            if let token, token.isByteLevel, token.bytes.count == 1 { byteTokens[Int(token.bytes[0])] = UInt32(id) }
        }
        for token in definition.addedTokens where token.isSpecial {
            flags[token.id, default: 0] |= TokenizerLayout.TokenFlag.special
        }
        for id in definition.endOfGeneration { flags[id, default: 0] |= TokenizerLayout.TokenFlag.endOfGeneration }
        section.set(.tokenOffsets, offsets)
        section.set(.tokenBytes, bytes)
        section.set(.flaggedTokens, flags.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] })
        section.set(.byteTokens, byteTokens)
    }

    private static func addMerges(_ definition: TokenizerDefinition, to section: inout TokenizerSection) {
        // Where a pair is listed twice, the later rank counts.
        var ranks: [UInt64: Int] = [:]
        ranks.reserveCapacity(definition.merges.count)
        for (rank, merge) in definition.merges.enumerated() {
            ranks[UInt64(merge.left) << 32 | UInt64(merge.right)] = rank
        }
        let merges = definition.merges.enumerated().filter { rank, merge in
            ranks[UInt64(merge.left) << 32 | UInt64(merge.right)] == rank
        }.map(\.element)
        let resultsRise = zip(merges, merges.dropFirst()).allSatisfy { $0.result < $1.result }
        if !resultsRise { section.flags |= TokenizerLayout.Flag.ranksMerges }
        let tokens = section.tokenCount
        let table = BucketTable(
            buckets: tokens,
            entries: merges.enumerated().map { rank, merge in
                (
                    TokenizerHash.bucket(left: merge.left, right: merge.right, tokens: tokens),
                    [merge.left, merge.result] + (resultsRise ? [] : [UInt32(rank)])
                )
            })
        section.set(.mergeBuckets, table.starts)
        section.set(.merges, table.numbers)
    }

    /// The tokens of 2 bytes or more that their own bytes, as one piece, are encoded to.
    private static func wholePieces(
        _ definition: TokenizerDefinition, _ tokenizer: Tokenizer
    ) -> [(bytes: [UInt8], id: UInt32)] {
        var known: [[UInt8]: Int] = [:]
        var result: [(bytes: [UInt8], id: UInt32)] = []
        for (id, token) in definition.vocabulary.enumerated() {
            guard let token, token.isByteLevel, token.bytes.count > 1 else { continue }
            guard definition.ignoresMerges || tokenizer.encode(piece: token.bytes) == [UInt32(id)] else { continue }
            if let place = known[token.bytes] {
                result[place].id = UInt32(id)
            } else {
                known[token.bytes] = result.count
                result.append((token.bytes, UInt32(id)))
            }
        }
        return result
    }

    private static func addWords(_ words: [(bytes: [UInt8], id: UInt32)], to section: inout TokenizerSection) {
        let buckets = max(words.count, 1)
        let table = BucketTable(
            buckets: buckets,
            entries: words.map { (TokenizerHash.bucket($0.bytes, buckets: buckets), [$0.id]) })
        section.set(.wordBuckets, table.starts)
        section.set(.words, table.numbers)
    }

    private static func addAddedTokens(
        _ definition: TokenizerDefinition, normalized: [[UInt8]], to section: inout TokenizerSection
    ) {
        var records: [UInt32] = []
        var raw = AddedTokenTrieBuilder()
        var composed = AddedTokenTrieBuilder()
        // Of equal texts the first special token counts, then the first other one.
        let tokens = Array(zip(definition.addedTokens, normalized))
        let ordered = tokens.filter(\.0.isSpecial) + tokens.filter { !$0.0.isSpecial }
        for (index, (token, text)) in ordered.enumerated() {
            var flags: UInt32 = 0
            if token.isSpecial { flags |= TokenizerLayout.AddedFlag.special }
            if token.stripsLeft { flags |= TokenizerLayout.AddedFlag.stripsLeft }
            if token.stripsRight { flags |= TokenizerLayout.AddedFlag.stripsRight }
            if token.isSingleWord { flags |= TokenizerLayout.AddedFlag.singleWord }
            records += [token.id, flags]
            if token.isNormalized { composed.add(text, record: index) } else { raw.add(token.content, record: index) }
        }
        section.set(.addedTokens, records)
        section.set(.rawNodes, raw.words.nodes)
        section.set(.rawEdges, raw.words.edges)
        section.set(.normalizedNodes, composed.words.nodes)
        section.set(.normalizedEdges, composed.words.edges)

        guard definition.addedTokens.contains(where: \.isSingleWord) else { return }
        var bits = [[UInt8]](repeating: Array(repeating: 0, count: 32), count: TokenizerLayout.pages)
        for range in UnicodeProperties.tokenWord.ranges {
            for value in range { bits[Int(value >> 8)][Int(value & 0xFF) / 8] |= 1 << UInt8(value & 7) }
        }
        var pages: [[UInt8]: UInt16] = [:]
        var index: [UInt16] = []
        var bytes: [UInt8] = []
        for page in bits {
            let number = pages[page] ?? UInt16(pages.count)
            if Int(number) == pages.count {
                pages[page] = number
                bytes += page
            }
            index.append(number)
        }
        section.set(.wordIndex, index)
        section.set(.wordPages, bytes)
    }

    private static func addNormalization(_ definition: TokenizerDefinition, to section: inout TokenizerSection) {
        guard definition.normalizers.contains(.nfc) else { return }
        section.flags |= TokenizerLayout.Flag.composes
        let data = CompositionData.shared
        var recordWords: [UInt32] = [0, 0]
        var mappings: [UInt32] = []
        var numbers: [CompositionData.Record: UInt16] = [:]
        var cells = [UInt16](repeating: 0, count: Int(ScalarSet.limit))
        for (value, record) in data.records.sorted(by: { $0.key < $1.key }) {
            if let number = numbers[record] {
                cells[Int(value)] = number
                continue
            }
            let number = UInt16(recordWords.count / TokenizerLayout.normalizationWords)
            numbers[record] = number
            cells[Int(value)] = number
            let active = record.isActive ? TokenizerLayout.NormalizationFlag.active : 0
            recordWords += [
                UInt32(record.combiningClass) | UInt32(record.decomposition.count) << 8 | active,
                UInt32(mappings.count),
            ]
            mappings += record.decomposition
        }
        let pages = ScalarPages(cells)
        let compositions = data.compositions.sorted { ($0.first, $0.second) < ($1.first, $1.second) }
        section.set(.normalizationIndex, pages.index)
        section.set(.normalizationPages, pages.values)
        section.set(.normalizationRecords, recordWords)
        section.set(.mappings, mappings)
        section.set(.compositions, compositions.flatMap { [$0.first, $0.second, $0.composite] })
    }
}
