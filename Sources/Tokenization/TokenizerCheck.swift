/// Checks that everything in a section's tables refers to something that exists (formats/tokenizer.md, "Verification").
struct TokenizerCheck {
    private typealias Layout = TokenizerLayout
    let view: SectionView

    func run() throws(TokenizerError) {
        // First, since reading a packed number goes on into what follows its table.
        try checkIds(.byteTokens, count: 256, allowsNone: true)
        try checkTokens()
        try checkWords()
        try checkMerges()
        try checkIds(.prefix, count: view.count(.prefix), allowsNone: false)
        try checkIds(.suffix, count: view.count(.suffix), allowsNone: false)
        try checkStages()
        try checkAddedTokens()
        try checkTrie(nodes: .rawNodes, edges: .rawEdges)
        try checkTrie(nodes: .normalizedNodes, edges: .normalizedEdges)
        try checkNormalization()
    }

    private func fail(_ table: TokenizerLayout.Table, _ position: Int, _ fault: TokenizerError.Fault) -> TokenizerError
    {
        .table(table, position: position, fault)
    }

    private func expect(_ table: TokenizerLayout.Table, count: Int) throws(TokenizerError) {
        guard view.count(table) == count else { throw fail(table, view.count(table), .count) }
    }

    private func checkTokens() throws(TokenizerError) {
        try expect(.tokenOffsets, count: view.tokenCount + 1)
        try checkStarts(.tokenOffsets, elements: view.count(.tokenBytes))
        let words = view.count(.flaggedTokens)
        guard words % Layout.flaggedWords == 0 else { throw fail(.flaggedTokens, words, .count) }
        var next: UInt32 = 0
        for index in 0..<words / Layout.flaggedWords {
            let record = view.words(.flaggedTokens) + index * Layout.flaggedWords
            guard record[0] < UInt32(view.tokenCount) else { throw fail(.flaggedTokens, index, .outOfRange) }
            guard record[0] >= next else { throw fail(.flaggedTokens, index, .unordered) }
            guard record[1] & ~Layout.TokenFlag.all == 0 else { throw fail(.flaggedTokens, index, .unknownBits) }
            next = record[0] + 1
        }
    }

    /// Where runs of elements of another table begin: with its first element, and the last one ends with it.
    private func checkStarts(_ table: TokenizerLayout.Table, elements: Int) throws(TokenizerError) {
        let starts = view.packed(table)
        let last = view.count(table) - 1
        guard starts[0] == 0 else { throw fail(table, 0, .outOfRange) }
        for index in 0..<last where starts[index] > starts[index + 1] { throw fail(table, index, .unordered) }
        guard Int(starts[last]) == elements else { throw fail(table, last, .outOfRange) }
    }

    private func checkWords() throws(TokenizerError) {
        let count = view.count(.words)
        try expect(.wordBuckets, count: max(count, 1) + 1)
        try checkStarts(.wordBuckets, elements: count)
        let words = view.packed(.words)
        for index in 0..<count where words[index] >= UInt32(view.tokenCount) {
            throw fail(.words, index, .outOfRange)
        }
    }

    private func checkMerges() throws(TokenizerError) {
        let numbers = Layout.mergeNumbers(flags: view.flags)
        let count = view.count(.merges) / numbers
        try expect(.merges, count: count * numbers)
        try expect(.mergeBuckets, count: view.tokenCount + 1)
        try checkStarts(.mergeBuckets, elements: count)
        let merges = view.packed(.merges)
        let tokens = UInt32(view.tokenCount)
        for place in stride(from: 0, to: count * numbers, by: numbers) {
            guard merges[place] < tokens, merges[place + 1] < tokens, numbers == 2 || Int(merges[place + 2]) < count
            else { throw fail(.merges, place, .outOfRange) }
        }
    }

    private func checkIds(_ table: TokenizerLayout.Table, count: Int, allowsNone: Bool) throws(TokenizerError) {
        try expect(table, count: count)
        let ids = view.words(table)
        for index in 0..<count where ids[index] >= UInt32(view.tokenCount) {
            guard allowsNone && ids[index] == Layout.none else { throw fail(table, index, .outOfRange) }
        }
    }

    private func checkStages() throws(TokenizerError) {
        let words = view.count(.stages)
        let count = words / Layout.stageWords
        guard count * Layout.stageWords == words, count <= Layout.maximumStages else {
            throw fail(.stages, words, .count)
        }
        try expect(.classIndex, count: count * Layout.pages)
        var pages = 0
        var cells = 0
        for index in 0..<count {
            let record = view.words(.stages) + index * Layout.stageWords
            guard Layout.Behavior(rawValue: record[0]) != nil, record[1] <= 1, record[7] == 0 else {
                throw fail(.stages, index, .unknownBits)
            }
            let classes = Int(record[2])
            let states = Int(record[3])
            guard (1...255).contains(classes), (2...Layout.maximumStates).contains(states) else {
                throw fail(.stages, index, .outOfRange)
            }
            guard Int(record[4]) == pages, Int(record[6]) == cells else { throw fail(.stages, index, .unordered) }
            let pageCount = Int(record[5])
            guard (1...Layout.pages).contains(pageCount), pages + pageCount <= view.count(.classPages) / 256,
                cells + states * (classes + 1) <= view.count(.transitions)
            else { throw fail(.stages, index, .truncated) }
            try checkStage(index, classes: classes, states: states, pages: pages..<pages + pageCount, cells: cells)
            pages += pageCount
            cells += states * (classes + 1)
        }
        try expect(.classPages, count: pages * 256)
        try expect(.transitions, count: cells)
    }

    private func checkStage(
        _ stage: Int, classes: Int, states: Int, pages: Range<Int>, cells: Int
    ) throws(TokenizerError) {
        let index = view.halves(.classIndex) + stage * Layout.pages
        for page in 0..<Layout.pages where Int(index[page]) >= pages.count {
            throw fail(.classIndex, stage * Layout.pages + page, .outOfRange)
        }
        let symbols = view.bytes(.classPages)
        for cell in pages.lowerBound * 256..<pages.upperBound * 256 where Int(symbols[cell]) >= classes {
            throw fail(.classPages, cell, .outOfRange)
        }
        let transitions = view.halves(.transitions)
        for cell in cells..<cells + states * (classes + 1)
        where Int(transitions[cell] & ~Layout.matched) >= states {
            throw fail(.transitions, cell, .outOfRange)
        }
        // State 1 is where a match begins: one that ends there as well would be empty.
        for cell in cells + classes + 1..<cells + 2 * (classes + 1) where transitions[cell] & Layout.matched != 0 {
            throw fail(.transitions, cell, .emptyMatch)
        }
    }

    private func checkAddedTokens() throws(TokenizerError) {
        let words = view.count(.addedTokens)
        guard words % Layout.addedWords == 0 else { throw fail(.addedTokens, words, .count) }
        var needsWords = false
        for index in 0..<words / Layout.addedWords {
            let record = view.words(.addedTokens) + index * Layout.addedWords
            guard record[0] < UInt32(view.tokenCount) else { throw fail(.addedTokens, index, .outOfRange) }
            guard record[1] & ~Layout.AddedFlag.all == 0 else { throw fail(.addedTokens, index, .unknownBits) }
            if record[1] & Layout.AddedFlag.singleWord != 0 { needsWords = true }
        }
        try expect(.wordIndex, count: needsWords ? Layout.pages : 0)
        let pages = view.count(.wordPages) / 32
        guard pages * 32 == view.count(.wordPages) else { throw fail(.wordPages, pages, .count) }
        let index = view.halves(.wordIndex)
        for page in 0..<view.count(.wordIndex) where Int(index[page]) >= pages {
            throw fail(.wordIndex, page, .outOfRange)
        }
    }

    /// Children lie behind their parents, so that every walk goes down and ends.
    private func checkTrie(nodes: TokenizerLayout.Table, edges: TokenizerLayout.Table) throws(TokenizerError) {
        let nodeCount = view.count(nodes) / Layout.trieNodeWords
        let edgeCount = view.count(edges) / Layout.trieEdgeWords
        guard nodeCount > 0, nodeCount * Layout.trieNodeWords == view.count(nodes) else { throw fail(nodes, 0, .count) }
        guard edgeCount * Layout.trieEdgeWords == view.count(edges) else { throw fail(edges, edgeCount, .count) }
        let records = view.count(.addedTokens) / Layout.addedWords
        var next = 0
        for index in 0..<nodeCount {
            let node = view.words(nodes) + index * Layout.trieNodeWords
            guard Int(node[0]) == next else { throw fail(nodes, index, .unordered) }
            guard Int(node[1]) <= edgeCount - next else { throw fail(nodes, index, .truncated) }
            guard Int(node[2]) < records || node[2] == Layout.none else { throw fail(nodes, index, .outOfRange) }
            guard index > 0 || node[2] == Layout.none else { throw fail(nodes, index, .emptyMatch) }
            var previous: UInt32?
            for position in next..<next + Int(node[1]) {
                let edge = view.words(edges) + position * Layout.trieEdgeWords
                guard edge[0] < 256, Int(edge[1]) > index, Int(edge[1]) < nodeCount else {
                    throw fail(edges, position, .outOfRange)
                }
                if let previous, edge[0] <= previous { throw fail(edges, position, .unordered) }
                previous = edge[0]
            }
            next += Int(node[1])
        }
        guard next == edgeCount else { throw fail(edges, next, .count) }
    }

    private func checkNormalization() throws(TokenizerError) {
        guard view.flags & Layout.Flag.composes != 0 else {
            for table in [
                TokenizerLayout.Table.normalizationIndex, .normalizationPages, .normalizationRecords, .mappings,
                .compositions,
            ] { try expect(table, count: 0) }
            return
        }
        try expect(.normalizationIndex, count: Layout.pages)
        let pages = view.count(.normalizationPages) / 256
        try expect(.normalizationPages, count: pages * 256)
        let records = view.count(.normalizationRecords) / Layout.normalizationWords
        try expect(.normalizationRecords, count: records * Layout.normalizationWords)
        let index = view.halves(.normalizationIndex)
        for page in 0..<Layout.pages where Int(index[page]) >= pages {
            throw fail(.normalizationIndex, page, .outOfRange)
        }
        let cells = view.halves(.normalizationPages)
        for cell in 0..<pages * 256 where Int(cells[cell]) >= records {
            throw fail(.normalizationPages, cell, .outOfRange)
        }
        let mappings = view.count(.mappings)
        for position in 0..<records {
            let record = view.words(.normalizationRecords) + position * Layout.normalizationWords
            guard record[0] >> 17 == 0 else { throw fail(.normalizationRecords, position, .unknownBits) }
            let length = Int(record[0] >> 8 & 0xFF)
            guard Int(record[1]) <= mappings, length <= mappings - Int(record[1]) else {
                throw fail(.normalizationRecords, position, .outOfRange)
            }
        }
        let scalars = view.words(.mappings)
        for position in 0..<mappings where !ScalarDecoding.isScalar(scalars[position]) {
            throw fail(.mappings, position, .outOfRange)
        }
        try checkCompositions()
    }

    private func checkCompositions() throws(TokenizerError) {
        let words = view.count(.compositions)
        guard words % Layout.compositionWords == 0 else { throw fail(.compositions, words, .count) }
        var previous: UInt64?
        for index in 0..<words / Layout.compositionWords {
            let entry = view.words(.compositions) + index * Layout.compositionWords
            let key = UInt64(entry[0]) << 32 | UInt64(entry[1])
            if let previous, key <= previous { throw fail(.compositions, index, .unordered) }
            guard ScalarDecoding.isScalar(entry[2]) else { throw fail(.compositions, index, .outOfRange) }
            previous = key
        }
    }
}
