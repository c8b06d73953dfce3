extension Encoder {
    /// Pieces up to this length are merged by scanning them; longer ones with a queue, in n log n.
    private static let scannedLength = 48

    /// Appends the ids of one piece: the token that it is, or what the merges make of its bytes.
    mutating func merge(_ piece: UnsafePointer<UInt8>, count: Int) {
        if count == 1 {
            let id = tables.byteTokens[Int(piece[0])]
            if id != TokenizerLayout.none { append(id) }
            return
        }
        let whole = tables.word(piece, count: count)
        if whole != TokenizerLayout.none {
            append(whole)
        } else if count <= Encoder.scannedLength {
            mergeScanning(piece, count: count)
        } else {
            mergeQueued(piece, count: count)
        }
    }

    /// Merges the pair of lowest rank, the leftmost of equals, until there is none.
    private mutating func mergeScanning(_ piece: UnsafePointer<UInt8>, count: Int) {
        let tables = self.tables
        let none = TokenizerLayout.none
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 3 * Encoder.scannedLength) { scratch in
            guard let symbols = scratch.baseAddress else { return }
            let ranks = symbols + Encoder.scannedLength
            let results = ranks + Encoder.scannedLength
            var length = 0
            for offset in 0..<count {
                let id = tables.byteTokens[Int(piece[offset])]
                // A byte that the vocabulary lacks vanishes, and its neighbours can merge across it.
                guard id != none else { continue }
                symbols[length] = id
                length &+= 1
            }
            if length == 0 { return }
            for index in 0..<length &- 1 {
                (ranks[index], results[index]) = tables.merge(symbols[index], symbols[index &+ 1])
            }
            while true {
                var best = none
                var place = 0
                for index in 0..<length &- 1 where ranks[index] < best {
                    best = ranks[index]
                    place = index
                }
                if best == none { break }
                symbols[place] = results[place]
                length &-= 1
                var index = place &+ 1
                while index < length {
                    symbols[index] = symbols[index &+ 1]
                    ranks[index] = ranks[index &+ 1]
                    results[index] = results[index &+ 1]
                    index &+= 1
                }
                if place &+ 1 < length {
                    (ranks[place], results[place]) = tables.merge(symbols[place], symbols[place &+ 1])
                }
                if place > 0 {
                    (ranks[place &- 1], results[place &- 1]) = tables.merge(symbols[place &- 1], symbols[place])
                }
            }
            append(symbols, count: length)
        }
    }

    private mutating func mergeQueued(_ piece: UnsafePointer<UInt8>, count: Int) {
        var list = MergeList(tables: tables)
        for offset in 0..<count { list.append(tables.byteTokens[Int(piece[offset])]) }
        list.merge()
        for id in list.ids { append(id) }
    }
}

/// The tokens of a long piece as a linked list, with a queue of the pairs that merge.
private struct MergeList {
    private let tables: TokenizerTables
    private var tokens: [UInt32] = []
    /// Rank of the pair that each token forms with the next one now; `none` where it does not merge or is gone.
    private var ranks: [UInt32] = []
    private var previous: [Int] = []
    private var next: [Int] = []
    private var queue = MergeQueue()

    init(tables: TokenizerTables) {
        self.tables = tables
    }

    mutating func append(_ token: UInt32) {
        guard token != TokenizerLayout.none else { return }
        let index = tokens.count
        tokens.append(token)
        ranks.append(TokenizerLayout.none)
        previous.append(index - 1)
        next.append(index + 1)
    }

    mutating func merge() {
        queue.reserve(tokens.count)
        for index in tokens.indices { rate(index) }
        while let pair = queue.pop() {
            let left = pair.position
            guard ranks[left] == pair.rank else { continue }
            let right = next[left]
            let (rank, result) = tables.merge(tokens[left], tokens[right])
            guard rank == pair.rank else { continue }
            tokens[left] = result
            ranks[right] = TokenizerLayout.none
            let following = next[right]
            next[left] = following
            if following < tokens.count { previous[following] = left }
            rate(left)
            if previous[left] >= 0 { rate(previous[left]) }
        }
    }

    /// The tokens that are left, in order.
    var ids: [UInt32] {
        var result: [UInt32] = []
        var index = 0
        while index < tokens.count {
            result.append(tokens[index])
            index = next[index]
        }
        return result
    }

    /// Looks up what the token at `index` and the next one make, and queues the pair.
    private mutating func rate(_ index: Int) {
        let right = next[index]
        guard right < tokens.count else {
            ranks[index] = TokenizerLayout.none
            return
        }
        let rank = tables.merge(tokens[index], tokens[right]).rank
        ranks[index] = rank
        if rank != TokenizerLayout.none { queue.push(.init(rank: rank, position: index)) }
    }
}

/// A binary heap that gives the pair of lowest rank first, of equals the leftmost.
private struct MergeQueue {
    struct Pair {
        var rank: UInt32
        var position: Int

        static func < (left: Pair, right: Pair) -> Bool {
            left.rank < right.rank || (left.rank == right.rank && left.position < right.position)
        }
    }

    private var heap: [Pair] = []

    mutating func reserve(_ count: Int) {
        heap.reserveCapacity(count)
    }

    mutating func push(_ pair: Pair) {
        heap.append(pair)
        var index = heap.count - 1
        while index > 0 {
            let parent = (index - 1) / 2
            guard heap[index] < heap[parent] else { return }
            heap.swapAt(index, parent)
            index = parent
        }
    }

    mutating func pop() -> Pair? {
        guard let top = heap.first, let last = heap.popLast() else { return nil }
        if heap.isEmpty { return top }
        heap[0] = last
        var index = 0
        while true {
            var least = index
            for child in 2 * index + 1...2 * index + 2 where child < heap.count && heap[child] < heap[least] {
                least = child
            }
            if least == index { return top }
            heap.swapAt(index, least)
            index = least
        }
    }
}
