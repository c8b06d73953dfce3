import Plans

/// Where every thread keeps copies of its own of what a few rows hold.
///
/// An instruction that treats every row by itself (a norm, a quantization, a gate) costs less than the barrier behind it
/// when the rows are few: then each thread computes all of them for itself and goes on. That is possible for buffers
/// that only such instructions write, since their contents are whole on every thread.
struct ReplicaPlan {
    /// Rows up to which work is repeated rather than shared.
    static let maximumRows = 4

    /// Bytes from the start of a thread's replicas, in the order of the program's buffers; nil where threads share.
    let offsets: [Int?]
    /// Bytes of one thread's replicas, a multiple of 64.
    let byteCount: Int

    init(_ program: Program) {
        let isReplicable = ReplicaPlan.replicable(program)
        var ranges = [ClosedRange<Int>?](repeating: nil, count: program.buffers.count)
        for value in ValueLifetimes(program).values where isReplicable[value.buffer] {
            let known = ranges[value.buffer] ?? value.first...value.last
            ranges[value.buffer] = min(known.lowerBound, value.first)...max(known.upperBound, value.last)
        }
        var slots: [Slot] = []
        var slotOfBuffer = [Int?](repeating: nil, count: ranges.count)
        for buffer in ranges.map({ $0?.lowerBound ?? 0 }).sortedOrder {
            guard let range = ranges[buffer] else { continue }
            let bytes = ReplicaPlan.maximumRows * (program.buffers[buffer].rowStride ?? 0)
            let slot = slots.firstIndex { $0.end < range.lowerBound } ?? slots.count
            if slot == slots.count { slots.append(Slot(end: 0, bytes: 0)) }
            slots[slot] = Slot(end: range.upperBound, bytes: max(slots[slot].bytes, bytes))
            slotOfBuffer[buffer] = slot
        }
        var starts: [Int] = []
        var end = 0
        for slot in slots {
            starts.append(end)
            end += slot.bytes
        }
        byteCount = end
        offsets = slotOfBuffer.map { slot in slot.map { starts[$0] } }
    }

    /// The buffers that only row by row instructions write, and of those the ones whose instructions need no barrier
    /// behind them.
    private static func replicable(_ program: Program) -> [Bool] {
        var isReplicable = [Bool](repeating: true, count: program.buffers.count)
        // The logits are what the session shows.
        isReplicable[program.logits.value] = false
        for instructions in [program.body, program.head] {
            // What threads may still be reading, and for which output, since all of them last waited.
            var unguarded: [(read: BufferIndex, output: BufferIndex)] = []
            for instruction in instructions {
                let uses = instruction.bufferUses
                guard let written = uses.updates ?? uses.writes else { continue }
                if instruction.isRowwise {
                    for read in uses.reads { unguarded.append((read, written)) }
                    continue
                }
                isReplicable[written.value] = false
                // A faster thread would write over what a slower one reads: those outputs are shared, with a barrier.
                for (read, output) in unguarded where program.overlap(read, written) {
                    isReplicable[output.value] = false
                }
                unguarded = []
            }
        }
        return isReplicable
    }

    /// A place that buffers use one after the other.
    private struct Slot {
        /// The last instruction that needs what lies there.
        var end: Int
        var bytes: Int
    }
}

extension Program {
    /// Whether two buffers share bytes of the arena.
    fileprivate func overlap(_ first: BufferIndex, _ second: BufferIndex) -> Bool {
        let (first, second) = (buffers[first.value], buffers[second.value])
        let firstEnd = first.offset + (first.rowStride ?? 0) * rowCount(first.rows)
        let secondEnd = second.offset + (second.rowStride ?? 0) * rowCount(second.rows)
        return first.offset < secondEnd && second.offset < firstEnd
    }
}

extension Instruction {
    /// Each row of the output follows from that row of the inputs alone.
    fileprivate var isRowwise: Bool {
        switch self {
        case .rotaryTable, .normalize, .quantize, .gate, .selectRows: true
        case .embed, .multiply, .multiplyMasks, .attend, .attendShared, .attendGrouped: false
        }
    }
}
