import Plans

/// Places buffers in one arena so that no two whose contents are needed at the same time share a byte.
struct MemoryPlan {
    /// Bytes from the arena's start, in the order of the buffers; multiples of 64.
    let offsets: [Int]
    let arenaBytes: Int

    /// First fit, largest buffer first, over the instructions' lifetimes. The order is total, so the plan's bytes are
    /// the same each time. Throws `arenaTooLarge`.
    init(
        buffers: [Buffer], body: [Instruction], head: [Instruction], rowCount: (Buffer.Rows) -> Int
    ) throws(LoweringError) {
        let lifetimes = MemoryPlan.lifetimes(count: buffers.count, body: body, head: head)
        var sizes: [Int] = []
        for buffer in buffers {
            let size = buffer.rowStride?.multipliedReportingOverflow(by: rowCount(buffer.rows))
            guard let size, !size.overflow, size.partialValue < 1 << 44 else { throw .arenaTooLarge }
            sizes.append(size.partialValue)
        }
        var offsets = Array(repeating: 0, count: buffers.count)
        var placed: [Int] = []
        var end = 0
        for buffer in buffers.indices.sorted(by: { (sizes[$0], $1) > (sizes[$1], $0) }) {
            let neighbours = placed.filter { lifetimes[$0].overlaps(lifetimes[buffer]) }
                .sorted { offsets[$0] < offsets[$1] }
            var offset = 0
            for neighbour in neighbours {
                if offset + sizes[buffer] <= offsets[neighbour] { break }
                offset = max(offset, offsets[neighbour] + sizes[neighbour])
            }
            offsets[buffer] = offset
            end = max(end, offset + sizes[buffer])
            placed.append(buffer)
        }
        self.offsets = offsets
        arenaBytes = end
    }

    /// From the first instruction that touches a buffer to the last; the head can run again after the body, so what it
    /// reads of the body lives to the end.
    private static func lifetimes(count: Int, body: [Instruction], head: [Instruction]) -> [ClosedRange<Int>] {
        var lifetimes: [ClosedRange<Int>?] = Array(repeating: nil, count: count)
        let instructions = body + head
        for (time, instruction) in instructions.enumerated() {
            let uses = instruction.bufferUses
            for buffer in uses.reads + [uses.updates, uses.writes].compactMap({ $0 }) {
                let first = lifetimes[buffer.value]?.lowerBound ?? time
                let isHeadInput = time >= body.count && first < body.count
                lifetimes[buffer.value] = first...(isHeadInput ? instructions.count : time)
            }
        }
        return lifetimes.map { $0 ?? 0...0 }
    }
}
