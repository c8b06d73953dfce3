/// A trie over the texts of added tokens, and a filter for the bytes that any of them begins with.
struct AddedTokenTrie {
    let nodes: UnsafePointer<UInt32>
    let edges: UnsafePointer<UInt32>
    private let firstBytes: SIMD4<UInt64>
    let isEmpty: Bool

    init(nodes: UnsafePointer<UInt32>, edges: UnsafePointer<UInt32>) {
        self.nodes = nodes
        self.edges = edges
        var bits = SIMD4<UInt64>(repeating: 0)
        for position in 0..<Int(nodes[1]) {
            let byte = edges[position * TokenizerLayout.trieEdgeWords]
            bits[Int(byte >> 6)] |= 1 << UInt64(byte & 63)
        }
        firstBytes = bits
        isEmpty = nodes[1] == 0
    }

    @inline(__always)
    func begins(_ byte: UInt8) -> Bool {
        firstBytes[Int(byte >> 6)] >> UInt64(byte & 63) & 1 != 0
    }

    /// The longest token at a place: its record and its length.
    func longest(_ text: UnsafePointer<UInt8>, at start: Int, end: Int) -> (record: Int, length: Int)? {
        var found: (record: Int, length: Int)?
        var node = 0
        var position = start
        while position < end, let child = child(of: node, byte: UInt32(text[position])) {
            node = child
            position &+= 1
            let record = nodes[node &* TokenizerLayout.trieNodeWords &+ 2]
            if record != TokenizerLayout.none { found = (Int(record), position &- start) }
        }
        return found
    }

    private func child(of node: Int, byte: UInt32) -> Int? {
        let words = nodes + node &* TokenizerLayout.trieNodeWords
        var low = Int(words[0])
        var high = low &+ Int(words[1])
        while low < high {
            let middle = (low &+ high) / 2
            let edge = edges + middle &* TokenizerLayout.trieEdgeWords
            if edge[0] == byte { return Int(edge[1]) }
            if edge[0] < byte { low = middle &+ 1 } else { high = middle }
        }
        return nil
    }
}

/// Finds the added tokens of a text one after the other: leftmost, longest first.
struct AddedTokenMatches {
    let tables: TokenizerTables
    let trie: AddedTokenTrie
    let parsesSpecial: Bool
    /// Where the search goes on.
    private var position = 0
    /// Where the last token's text ends, the whitespace that it took along included.
    private var taken = 0

    init(tables: TokenizerTables, trie: AddedTokenTrie, parsesSpecial: Bool) {
        self.tables = tables
        self.trie = trie
        self.parsesSpecial = parsesSpecial
    }

    /// The next token with the bytes that it takes.
    mutating func next(_ text: UnsafePointer<UInt8>, count: Int) -> (id: UInt32, start: Int, end: Int)? {
        if trie.isEmpty { return nil }
        while position < count {
            guard trie.begins(text[position]), let found = trie.longest(text, at: position, end: count) else {
                position &+= 1
                continue
            }
            var start = position
            position += found.length
            let record = tables.addedTokens + found.record * TokenizerLayout.addedWords
            let flags = record[1]
            if flags & TokenizerLayout.AddedFlag.special != 0, !parsesSpecial { continue }
            if flags & TokenizerLayout.AddedFlag.singleWord != 0,
                touchesWord(text, start: start, end: position, count: count)
            {
                continue
            }
            var end = position
            if flags & TokenizerLayout.AddedFlag.stripsLeft != 0 {
                while start > taken {
                    let before = ScalarDecoding.scalar(text, before: start, start: taken)
                    guard let value = before.value, ScalarDecoding.isWhitespace(value) else { break }
                    start -= before.length
                }
            }
            if flags & TokenizerLayout.AddedFlag.stripsRight != 0 {
                while end < count {
                    let after = ScalarDecoding.scalar(text, at: end, end: count)
                    guard let value = after.value, ScalarDecoding.isWhitespace(value) else { break }
                    end += after.length
                }
            }
            taken = end
            return (record[0], start, end)
        }
        return nil
    }

    private func touchesWord(_ text: UnsafePointer<UInt8>, start: Int, end: Int, count: Int) -> Bool {
        if start > 0, let value = ScalarDecoding.scalar(text, before: start, start: 0).value, tables.isWord(value) {
            return true
        }
        if end < count, let value = ScalarDecoding.scalar(text, at: end, end: count).value, tables.isWord(value) {
            return true
        }
        return false
    }
}
