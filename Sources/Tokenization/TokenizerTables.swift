/// The tables of an opened section as typed pointers whose contents were checked.
struct TokenizerTables {
    let tokenCount: Int
    let beginning: UInt32
    /// Whether text is composed before it is split.
    let composes: Bool
    let tokenOffsets: PackedNumbers
    let tokenBytes: UnsafePointer<UInt8>
    let flaggedTokens: UnsafePointer<UInt32>
    let flaggedCount: Int
    let wordBuckets: PackedNumbers
    let wordBucketCount: Int
    let words: PackedNumbers
    let mergeBuckets: PackedNumbers
    let merges: PackedNumbers
    let mergeNumbers: Int
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
        composes = view.flags & TokenizerLayout.Flag.composes != 0
        tokenOffsets = view.packed(.tokenOffsets)
        tokenBytes = view.bytes(.tokenBytes)
        flaggedTokens = view.words(.flaggedTokens)
        flaggedCount = view.count(.flaggedTokens) / TokenizerLayout.flaggedWords
        wordBuckets = view.packed(.wordBuckets)
        wordBucketCount = view.count(.wordBuckets) - 1
        words = view.packed(.words)
        mergeBuckets = view.packed(.mergeBuckets)
        merges = view.packed(.merges)
        mergeNumbers = TokenizerLayout.mergeNumbers(flags: view.flags)
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
            compositionCount: view.count(.compositions) / TokenizerLayout.compositionWords)
    }

    /// The token that a whole piece of 2 bytes or more is, or `none`.
    @inline(__always)
    func word(_ start: UnsafePointer<UInt8>, count: Int) -> UInt32 {
        let bucket = TokenizerHash.bucket(start, count: count, buckets: wordBucketCount)
        var (place, end) = wordBuckets.pair(at: bucket)
        while place < end {
            let id = words[place]
            let bytes = tokenOffsets.pair(at: Int(id))
            if bytes.1 &- bytes.0 == count, ByteString.equal(start, tokenBytes + bytes.0, count: count) { return id }
            place &+= 1
        }
        return TokenizerLayout.none
    }

    /// Rank and result of merging two tokens; rank is `none` where they do not merge.
    @inline(__always)
    func merge(_ left: UInt32, _ right: UInt32) -> (rank: UInt32, result: UInt32) {
        let bucket = TokenizerHash.bucket(left: left, right: right, tokens: tokenCount)
        // Without a rank of its own, a merge's last number is its result.
        if let found = merges.entry(left, in: mergeBuckets.pair(at: bucket), numbers: mergeNumbers) {
            return (found.last, found.second)
        }
        return (TokenizerLayout.none, 0)
    }

    /// Flags of a token; none for an id that does not exist.
    func flags(of id: UInt32) -> UInt32 {
        var low = 0
        var high = flaggedCount
        while low < high {
            let middle = (low &+ high) / 2
            let record = flaggedTokens + middle &* TokenizerLayout.flaggedWords
            if record[0] == id { return record[1] }
            if record[0] < id { low = middle &+ 1 } else { high = middle }
        }
        return 0
    }

    /// Whether a scalar is part of words, for added tokens that must stand alone.
    func isWord(_ scalar: UInt32) -> Bool {
        let page = Int(wordIndex[Int(scalar >> 8)])
        return wordPages[page * 32 + Int(scalar & 0xFF) / 8] >> UInt8(scalar & 7) & 1 != 0
    }
}
