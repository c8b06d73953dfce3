/// Byte-level BPE over the compiled tables of a plan's tokenizer section (formats/tokenizer.md).
///
/// The tables are used where they lie: the section's memory must stay readable and unchanged for as long as the value or
/// a copy of it is used. Opening checks every reference in the tables once, in linear time and without allocation;
/// nothing that is done with an opened tokenizer can leave the section or fail to end.
public struct Tokenizer: @unchecked Sendable {
    let tables: TokenizerTables

    /// Opens a section after checking all of it.
    public init(section: UnsafeRawBufferPointer) throws(TokenizerError) {
        tables = try TokenizerTables(section)
    }

    /// Number of ids; some may have no token.
    public var vocabularySize: Int { tables.tokenCount }

    /// The beginning-of-sequence token, where the model has one.
    public var beginningOfSequence: UInt32? {
        tables.beginning == TokenizerLayout.none ? nil : tables.beginning
    }

    /// Whether `beginningOfSequence` is among what `encode` puts before a text.
    public var addsBeginningOfSequence: Bool {
        guard let beginning = beginningOfSequence else { return false }
        for index in 0..<tables.prefixCount where tables.prefix[index] == beginning { return true }
        return false
    }

    /// The bytes that an id stands for; empty for an id without a token. Valid as long as the section is.
    public func bytes(of id: UInt32) -> UnsafeRawBufferPointer {
        guard Int(id) < tables.tokenCount else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        let start = Int(tables.tokenOffsets[Int(id)])
        let end = Int(tables.tokenOffsets[Int(id) + 1])
        return UnsafeRawBufferPointer(start: tables.tokenBytes + start, count: end - start)
    }

    /// Whether generation ends with this id.
    public func isEndOfGeneration(_ id: UInt32) -> Bool { has(TokenizerLayout.TokenFlag.endOfGeneration, id) }

    /// Whether the id is a special (control) token, whose text is no part of what a model says.
    public func isSpecial(_ id: UInt32) -> Bool { has(TokenizerLayout.TokenFlag.special, id) }

    private func has(_ flag: UInt32, _ id: UInt32) -> Bool { tables.flags(of: id) & flag != 0 }

    /// The bytes of a list of ids, one after the other; they need not be UTF-8. Ids without a token add nothing.
    public func decode(_ ids: [UInt32]) -> [UInt8] {
        var result: [UInt8] = []
        for id in ids { result.append(contentsOf: bytes(of: id)) }
        return result
    }

    /// The ids of a text.
    ///
    /// The text should be UTF-8. Each byte that is not part of a well-formed character counts as one character that
    /// patterns treat like U+FFFD; its own byte is what gets encoded.
    ///
    /// - Parameters:
    ///   - addSpecial: puts the ids around the text that the model expects around a sequence.
    ///   - parseSpecial: reads the text of special tokens as these tokens instead of as plain text.
    public func encode(_ text: UnsafeRawBufferPointer, addSpecial: Bool, parseSpecial: Bool) -> [UInt32] {
        var encoder = Encoder(tables: tables, parsesSpecial: parseSpecial)
        if addSpecial { encoder.append(tables.prefix, count: tables.prefixCount) }
        if let start = text.baseAddress, text.count > 0 {
            encoder.encode(start.assumingMemoryBound(to: UInt8.self), count: text.count)
        }
        if addSpecial { encoder.append(tables.suffix, count: tables.suffixCount) }
        return encoder.ids
    }

    /// The ids of a text; see the other overload.
    public func encode(_ text: [UInt8], addSpecial: Bool, parseSpecial: Bool) -> [UInt32] {
        text.withUnsafeBytes { encode($0, addSpecial: addSpecial, parseSpecial: parseSpecial) }
    }

    /// The ids of one piece: what the merges make of its bytes, without looking for added tokens and without splitting.
    public func encode(piece: [UInt8]) -> [UInt32] {
        var encoder = Encoder(tables: tables, parsesSpecial: false)
        piece.withUnsafeBufferPointer {
            if let start = $0.baseAddress, $0.count > 0 { encoder.merge(start, count: $0.count) }
        }
        return encoder.ids
    }

    /// The text as it is before it is split.
    public func normalized(_ text: [UInt8]) -> [UInt8] {
        guard tables.composes else { return text }
        return text.withUnsafeBufferPointer {
            guard let start = $0.baseAddress else { return [] }
            return tables.normalization.composed(start, count: $0.count)
        }
    }
}
