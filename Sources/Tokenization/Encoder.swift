/// One encoding in progress: text goes in, ids collect.
struct Encoder {
    let tables: TokenizerTables
    /// Whether the text of special tokens is read as these tokens.
    let parsesSpecial: Bool
    private(set) var ids: [UInt32] = []

    init(tables: TokenizerTables, parsesSpecial: Bool) {
        self.tables = tables
        self.parsesSpecial = parsesSpecial
    }

    mutating func append(_ start: UnsafePointer<UInt32>, count: Int) {
        ids.append(contentsOf: UnsafeBufferPointer(start: start, count: count))
    }

    mutating func append(_ id: UInt32) {
        ids.append(id)
    }

    /// Encodes text: added tokens that are looked for in the raw text are found first, the rest is normalized.
    mutating func encode(_ text: UnsafePointer<UInt8>, count: Int) {
        var gap = 0
        var matches = AddedTokenMatches(tables: tables, trie: tables.raw, parsesSpecial: parsesSpecial)
        while let match = matches.next(text, count: count) {
            if gap < match.start { encodeNormalizing(text + gap, count: match.start - gap) }
            ids.append(match.id)
            gap = match.end
        }
        if gap < count { encodeNormalizing(text + gap, count: count - gap) }
    }

    private mutating func encodeNormalizing(_ text: UnsafePointer<UInt8>, count: Int) {
        guard tables.composes, !tables.normalization.isInert(text, count: count) else {
            encodeNormalized(text, count: count)
            return
        }
        let composed = tables.normalization.composed(text, count: count)
        composed.withUnsafeBufferPointer {
            guard let start = $0.baseAddress else { return }
            encodeNormalized(start, count: $0.count)
        }
    }

    private mutating func encodeNormalized(_ text: UnsafePointer<UInt8>, count: Int) {
        var gap = 0
        var matches = AddedTokenMatches(tables: tables, trie: tables.normalized, parsesSpecial: parsesSpecial)
        while let match = matches.next(text, count: count) {
            if gap < match.start { split(text, gap, match.start, stage: 0) }
            ids.append(match.id)
            gap = match.end
        }
        if gap < count { split(text, gap, count, stage: 0) }
    }
}
