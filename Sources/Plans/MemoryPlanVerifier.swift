extension Verifier {
    /// No two values that are alive at the same time share bytes of the arena.
    ///
    /// A value lives from the instruction that writes it to the last one that reads or updates it, both included. The
    /// head may run several times a step, so what it reads of the body lives to the end of the head; so do the logits.
    func checkMemoryPlan() throws(PlanError) {
        let values = ValueLifetimes(program)
        var occupied = OccupiedRanges(program)
        var dying = values.byLastUse()
        var next = 0
        for time in 0..<values.duration {
            while next < values.values.count, values.values[next].first == time {
                let buffer = values.values[next].buffer
                if let other = occupied.insert(buffer) {
                    throw PlanError(
                        .invalid, "values that live at the same time lie apart", at: .buffer(buffer),
                        expected: .none, found: .number(other))
                }
                next += 1
            }
            while let value = dying.last, value.last == time {
                occupied.remove(value.buffer)
                dying.removeLast()
            }
        }
    }
}

/// When each value of a program lives; time counts the body's instructions, then the head's.
public struct ValueLifetimes {
    public struct Value: Sendable {
        /// Index of the buffer that holds it.
        public var buffer: Int
        /// The instruction that writes it.
        public var first: Int
        /// The last instruction that needs it.
        public var last: Int
    }

    /// Sorted by `first`.
    public private(set) var values: [Value] = []
    /// Instructions of the body and the head together.
    public let duration: Int

    /// The program's operands and their order have been checked.
    public init(_ program: Program) {
        duration = program.body.count + program.head.count
        var current = [Int?](repeating: nil, count: program.buffers.count)
        for time in 0..<duration {
            let isHead = time >= program.body.count
            let uses = (isHead ? program.head[time - program.body.count] : program.body[time]).bufferUses
            for buffer in uses.reads + (uses.updates.map { [$0] } ?? []) {
                guard let value = current[buffer.value] else { continue }
                let isKept = isHead && values[value].first < program.body.count
                values[value].last = isKept ? duration - 1 : max(values[value].last, time)
            }
            if let buffer = uses.writes {
                current[buffer.value] = values.count
                values.append(Value(buffer: buffer.value, first: time, last: time))
            }
        }
        if let logits = current[program.logits.value] { values[logits].last = duration - 1 }
    }

    /// The values sorted by their last use, the latest first.
    func byLastUse() -> [Value] {
        values.map { -$0.last }.sortedOrder.map { values[$0] }
    }
}

/// The byte ranges of the arena that living values hold: always apart, so that neighbours alone decide a conflict.
struct OccupiedRanges {
    private let starts: [Int]
    private let ends: [Int]
    /// Buffer of each rank, in the order of offsets.
    private let bufferOfRank: [Int]
    private let rankOfBuffer: [Int]
    private var ranks: RankSet

    init(_ program: Program) {
        starts = program.buffers.map { $0.offset }
        ends = program.buffers.map { $0.offset + ($0.rowStride ?? 0) * program.rowCount($0.rows) }
        bufferOfRank = starts.sortedOrder
        var rankOfBuffer = [Int](repeating: 0, count: starts.count)
        for (rank, buffer) in bufferOfRank.enumerated() { rankOfBuffer[buffer] = rank }
        self.rankOfBuffer = rankOfBuffer
        ranks = RankSet(count: starts.count)
    }

    /// Takes the buffer's range, or returns a buffer that holds some of it.
    mutating func insert(_ buffer: Int) -> Int? {
        let rank = rankOfBuffer[buffer]
        if ranks.contains(rank) { return buffer }
        if let before = ranks.last(before: rank), ends[bufferOfRank[before]] > starts[buffer] {
            return bufferOfRank[before]
        }
        if let after = ranks.first(after: rank), starts[bufferOfRank[after]] < ends[buffer] {
            return bufferOfRank[after]
        }
        ranks.insert(rank)
        return nil
    }

    mutating func remove(_ buffer: Int) { ranks.remove(rankOfBuffer[buffer]) }
}
