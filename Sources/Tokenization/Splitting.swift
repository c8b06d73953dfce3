/// One step of the pre-tokenizer: an automaton that finds matches, and what becomes of them.
struct SplitStage {
    let behavior: TokenizerLayout.Behavior
    let isInverted: Bool
    private let classCount: Int
    private let index: UnsafePointer<UInt16>
    private let pages: UnsafePointer<UInt8>
    private let transitions: UnsafePointer<UInt16>
    /// Classes of the ASCII characters, which all lie in one page.
    private let ascii: UnsafePointer<UInt8>

    init(tables: TokenizerTables, stage: Int) {
        let record = tables.stages + stage &* TokenizerLayout.stageWords
        behavior = TokenizerLayout.Behavior(rawValue: record[0]) ?? .isolated
        isInverted = record[1] != 0
        classCount = Int(record[2])
        index = tables.classIndex + stage &* TokenizerLayout.pages
        pages = tables.classPages + Int(record[4]) &* 256
        transitions = tables.transitions + Int(record[6])
        ascii = pages + Int(index[0]) &* 256
    }

    /// The end of the match that begins at `start`, or `start` where none does, and how far the text was looked at.
    /// Looks at `start..<end` alone.
    @inline(__always)
    func match(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> (end: Int, reached: Int) {
        let width = classCount &+ 1
        var last = start
        var state = 1
        var position = start
        while position < end {
            let (symbol, length) = symbol(text, position, end)
            let transition = transitions[state &* width &+ symbol]
            if transition & TokenizerLayout.matched != 0 { last = position }
            state = Int(transition & ~TokenizerLayout.matched)
            if state == 0 { return (last, position) }
            position &+= length
        }
        if transitions[state &* width &+ classCount] & TokenizerLayout.matched != 0 { last = end }
        return (last, end)
    }

    /// The same, but stops where a search came by in the same state before and found nothing from there on.
    func match(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int, failures: inout Set<UInt64>) -> Int {
        let width = classCount &+ 1
        var last = start
        var state = 1
        var position = start
        // Where the search has been since the last match.
        var trail: [UInt64] = []
        while position < end {
            let place = UInt64(state) << 40 | UInt64(position)
            if failures.contains(place) { break }
            trail.append(place)
            let (symbol, length) = symbol(text, position, end)
            let transition = transitions[state &* width &+ symbol]
            if transition & TokenizerLayout.matched != 0 {
                last = position
                trail.removeAll(keepingCapacity: true)
            }
            state = Int(transition & ~TokenizerLayout.matched)
            if state == 0 { break }
            position &+= length
        }
        if position >= end, transitions[state &* width &+ classCount] & TokenizerLayout.matched != 0 {
            last = end
            trail.removeAll()
        }
        for place in trail { failures.insert(place) }
        return last
    }

    /// Class and length of the character at a place.
    @inline(__always)
    private func symbol(_ text: UnsafePointer<UInt8>, _ position: Int, _ end: Int) -> (class: Int, length: Int) {
        let byte = text[position]
        if byte < 0x80 { return (Int(ascii[Int(byte)]), 1) }
        let decoded = ScalarDecoding.scalar(text, at: position, end: end)
        let value = decoded.value ?? ScalarDecoding.replacement
        return (Int(pages[Int(index[Int(value >> 8)]) &* 256 &+ Int(value & 0xFF)]), decoded.length)
    }
}

/// A piece of text on its way out of a stage that may still be joined with its neighbour.
private struct PendingPiece {
    var start: Int
    var end: Int
    var isMatch: Bool
}

extension Encoder {
    /// Cuts `start..<end` of a text into pieces from this stage on and encodes each piece.
    mutating func split(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int, stage index: Int) {
        guard index < tables.stageCount else {
            merge(text + start, count: end &- start)
            return
        }
        let stage = SplitStage(tables: tables, stage: index)
        var pending: PendingPiece?
        var gap = start
        var position = start
        // A search looks past the end of its match. Where that adds up to much more than the text, the places where
        // searches failed are remembered, so that time stays in proportion to the text for any pattern.
        var allowance = 8 &* (end &- start) &+ 4096
        var failures = Set<UInt64>()
        while position < end {
            let matchEnd: Int
            if allowance > 0 {
                let found = stage.match(text, position, end)
                matchEnd = found.end
                allowance &-= found.reached &- found.end
            } else {
                matchEnd = stage.match(text, position, end, failures: &failures)
            }
            guard matchEnd > position else {
                position &+= ScalarDecoding.scalar(text, at: position, end: end).length
                continue
            }
            if gap < position {
                pass(text, gap, position, isMatch: stage.isInverted, stage, index, &pending)
            }
            pass(text, position, matchEnd, isMatch: !stage.isInverted, stage, index, &pending)
            position = matchEnd
            gap = matchEnd
        }
        if gap < end { pass(text, gap, end, isMatch: stage.isInverted, stage, index, &pending) }
        flush(text, index, &pending)
    }

    /// Hands one match, or the text between two, to the next stage as the stage's behavior wants it.
    @inline(__always)
    private mutating func pass(
        _ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int, isMatch: Bool, _ stage: SplitStage, _ index: Int,
        _ pending: inout PendingPiece?
    ) {
        switch stage.behavior {
        case .isolated:
            split(text, start, end, stage: index &+ 1)
            return
        case .removed:
            if !isMatch { split(text, start, end, stage: index &+ 1) }
            return
        case .contiguous:
            if let last = pending, last.isMatch == isMatch {
                pending = PendingPiece(start: last.start, end: end, isMatch: isMatch)
                return
            }
        case .mergedWithPrevious:
            if isMatch, let last = pending, !last.isMatch {
                pending = PendingPiece(start: last.start, end: end, isMatch: true)
                return
            }
        case .mergedWithNext:
            if !isMatch, let last = pending, last.isMatch {
                pending = PendingPiece(start: last.start, end: end, isMatch: false)
                return
            }
        }
        flush(text, index, &pending)
        pending = PendingPiece(start: start, end: end, isMatch: isMatch)
    }

    private mutating func flush(_ text: UnsafePointer<UInt8>, _ index: Int, _ pending: inout PendingPiece?) {
        if let last = pending { split(text, last.start, last.end, stage: index &+ 1) }
        pending = nil
    }
}
