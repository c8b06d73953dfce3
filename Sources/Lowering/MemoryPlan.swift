import Plans

/// Places buffers in one arena so that no two whose contents are needed at the same time share a byte.
struct MemoryPlan {
    /// Bytes from the arena's start, in the order of the buffers; multiples of 64.
    let offsets: [Int]
    let arenaBytes: Int

    /// First fit, largest buffer first, over the lifetimes that the verifier knows; the program's own offsets do not
    /// matter. The order is total, so the plan's bytes are the same each time. Throws `arenaTooLarge`.
    init(_ program: Program) throws(LoweringError) {
        let lifetimes = MemoryPlan.lifetimes(program)
        var sizes: [Int] = []
        for buffer in program.buffers {
            let size = buffer.rowStride?.multipliedReportingOverflow(by: program.rowCount(buffer.rows))
            guard let size, !size.overflow, size.partialValue < 1 << 44 else { throw .arenaTooLarge }
            sizes.append(size.partialValue)
        }
        var offsets = Array(repeating: 0, count: sizes.count)
        var placed: [Int] = []
        var end = 0
        for buffer in sizes.indices.sorted(by: { (sizes[$0], $1) > (sizes[$1], $0) }) {
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

    /// From the first value that a buffer holds to the end of the last one.
    private static func lifetimes(_ program: Program) -> [ClosedRange<Int>] {
        var lifetimes: [ClosedRange<Int>?] = Array(repeating: nil, count: program.buffers.count)
        for value in ValueLifetimes(program).values {
            let known = lifetimes[value.buffer] ?? value.first...value.last
            lifetimes[value.buffer] = min(known.lowerBound, value.first)...max(known.upperBound, value.last)
        }
        return lifetimes.map { $0 ?? 0...0 }
    }
}
