/// The tables of an opened section as typed pointers whose contents were checked.
struct TokenizerTables {
    let tokenCount: Int
    let beginning: UInt32
    /// Whether text is composed before it is split.
    let composes: Bool
    let tokenOffsets: UnsafePointer<UInt32>
    let tokenBytes: UnsafePointer<UInt8>
    let tokenFlags: UnsafePointer<UInt8>
    let words: UnsafePointer<UInt32>
    let wordMask: Int
    let merges: UnsafePointer<UInt32>
    let mergeMask: Int
    let byteTokens: UnsafePointer<UInt32>
    let prefix: UnsafePointer<UInt32>
    let prefixCount: Int
    let suffix: UnsafePointer<UInt32>
    let suffixCount: Int
    let stages: UnsafePointer<UInt32>
    let stageCount: Int
    let classIndex: UnsafePointer<UInt16>
    let classPages: UnsafePointer<UInt8>
    let transitions: UnsafePointer<UInt16>
    let addedTokens: UnsafePointer<UInt32>
    let raw: AddedTokenTrie
    let normalized: AddedTokenTrie
    let wordIndex: UnsafePointer<UInt16>
    let wordPages: UnsafePointer<UInt8>
    let normalization: NormalizationTables

    init(_ section: UnsafeRawBufferPointer) throws(TokenizerError) {
        let view = try SectionView(section)
        let check = TokenizerCheck(view: view)
        try check.run()

        tokenCount = view.tokenCount
        beginning = view.beginning
        composes = view.flags & TokenizerLayout.composes != 0
        tokenOffsets = view.words(.tokenOffsets)
        tokenBytes = view.bytes(.tokenBytes)
        tokenFlags = view.bytes(.tokenFlags)
        words = view.words(.words)
        wordMask = view.count(.words) / TokenizerLayout.wordWords - 1
        merges = view.words(.merges)
        mergeMask = view.count(.merges) / TokenizerLayout.mergeWords - 1
        byteTokens = view.words(.byteTokens)
        prefix = view.words(.prefix)
        prefixCount = view.count(.prefix)
        suffix = view.words(.suffix)
        suffixCount = view.count(.suffix)
        stages = view.words(.stages)
        stageCount = view.count(.stages) / TokenizerLayout.stageWords
        classIndex = view.halves(.classIndex)
        classPages = view.bytes(.classPages)
        transitions = view.halves(.transitions)
        addedTokens = view.words(.addedTokens)
        raw = AddedTokenTrie(nodes: view.words(.rawNodes), edges: view.words(.rawEdges))
        normalized = AddedTokenTrie(nodes: view.words(.normalizedNodes), edges: view.words(.normalizedEdges))
        wordIndex = view.halves(.wordIndex)
        wordPages = view.bytes(.wordPages)
        normalization = NormalizationTables(
            index: view.halves(.normalizationIndex), pages: view.halves(.normalizationPages),
            records: view.words(.normalizationRecords), mappings: view.words(.mappings),
            compositions: view.words(.compositions),
            compositionMask: view.count(.compositions) / TokenizerLayout.compositionWords - 1)
    }

    /// The token that a whole piece is, or `none`.
    @inline(__always)
    func word(_ start: UnsafePointer<UInt8>, count: Int) -> UInt32 {
        let hash = TokenizerHash.bytes(start, count: count)
        let tag = UInt32(truncatingIfNeeded: hash >> 32)
        var slot = Int(truncatingIfNeeded: hash) & wordMask
        while true {
            let id = words[2 &* slot &+ 1]
            if id == TokenizerLayout.none { return id }
            if words[2 &* slot] == tag {
                let offset = Int(tokenOffsets[Int(id)])
                if Int(tokenOffsets[Int(id) &+ 1]) &- offset == count, equal(start, tokenBytes + offset, count) {
                    return id
                }
            }
            slot = (slot &+ 1) & wordMask
        }
    }

    /// Rank and result of merging two tokens; rank is `none` where they do not merge.
    @inline(__always)
    func merge(_ left: UInt32, _ right: UInt32) -> (rank: UInt32, result: UInt32) {
        var slot = Int(truncatingIfNeeded: TokenizerHash.pair(left, right)) & mergeMask
        while true {
            let entry = merges + 4 &* slot
            if entry[0] == left && entry[1] == right { return (entry[2], entry[3]) }
            if entry[0] == TokenizerLayout.none { return (TokenizerLayout.none, 0) }
            slot = (slot &+ 1) & mergeMask
        }
    }

    /// Whether a scalar is part of words, for added tokens that must stand alone.
    func isWord(_ scalar: UInt32) -> Bool {
        let page = Int(wordIndex[Int(scalar >> 8)])
        return wordPages[page * 32 + Int(scalar & 0xFF) / 8] >> UInt8(scalar & 7) & 1 != 0
    }

    @inline(__always)
    private func equal(_ left: UnsafePointer<UInt8>, _ right: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        var index = 0
        while index < count {
            if left[index] != right[index] { return false }
            index &+= 1
        }
        return true
    }
}
