import Kernels
import Plans

/// Grouped linear attention: what a row sees of its own group and of the last values is weighed position by position, as
/// softmax attention does it; what the groups before give is one product with their sums.
extension Execution {
    func attend(_ attention: GroupedAttention, groups: StepGroups) {
        session.withCache(attention.state) { cache in
            let operands = AttentionOperands(attention, engine: engine)
            let tiling = AttentionTiling(queryHeads: attention.queryHeads, keyHeads: cache.heads)
            let rowCount = session.step.rows.count
            fold(groups, of: .plain, cache: cache)
            let storesInUnits = rowCount <= tiling.rows && session.step.isChain && groups.closings.isEmpty
            if !storesInUnits {
                storeKeysAndValues(operands, cache: cache)
                engine.pool.barrier(thread: thread)
            }
            close(groups, of: .plain, cache: cache)
            let (tiles, heads) = (tiling.tiles(of: rowCount), cache.heads)
            forEachUnit(of: tiles * heads) { unit in
                let first = unit / heads * tiling.rows
                let tile = AttentionTile(
                    rows: first..<min(first + tiling.rows, rowCount), keyHead: unit % heads, group: tiling.group)
                if storesInUnits { store(operands, tile.rows, tile, cache: cache) }
                attendTile(attention, operands, tile, groups, cache: cache)
            }
        }
    }

    /// A tile of rows: those that follow each other in one group together, any other by itself.
    @inline(never)
    private func attendTile(
        _ attention: GroupedAttention, _ operands: AttentionOperands, _ tile: AttentionTile, _ groups: StepGroups,
        cache: borrowing KeyValueCache
    ) {
        let scratch = session.scratch.attention(thread: thread)
        prepare(operands, tile, cache: cache, scratch)
        let step = session.step
        var first = tile.rows.lowerBound
        while first < tile.rows.upperBound {
            var end = first + 1
            if step.paths[first] == nil {
                let number = (step.keyCount(row: first) - 1) / attention.group
                while end < tile.rows.upperBound, step.paths[end] == nil,
                    (step.keyCount(row: end) - 1) / attention.group == number
                { end += 1 }
            }
            attendRun(attention, tile, first..<end, groups, cache: cache, scratch)
            first = end
        }
        finish(operands, tile, scratch.running(queries: tile.queries), dimensions: cache.dimensions)
    }

    /// Rows of one group whose paths hold the same entries as far as they go.
    @inline(never)
    private func attendRun(
        _ attention: GroupedAttention, _ tile: AttentionTile, _ rows: Range<Int>, _ groups: StepGroups,
        cache: borrowing KeyValueCache, _ scratch: AttentionScratch
    ) {
        let (step, dimensions) = (session.step, cache.dimensions)
        let (firstCount, lastCount) = (step.keyCount(row: rows.lowerBound), step.keyCount(row: rows.upperBound - 1))
        let start = (firstCount - 1) / attention.group * attention.group
        let taps = attention.taps(in: engine.program)
        // Positions count from a multiple of 16, as the tiles of keys do.
        let low = max(0, min(start, firstCount - taps)) / Packing.tileRows * Packing.tileRows
        let count = lastCount - low
        let firstQuery = (rows.lowerBound - tile.rows.lowerBound) * tile.group
        let queries = firstQuery..<firstQuery + rows.count * tile.group
        for index in 0..<count { scratch.slots[index] = UInt32(step.entry(at: low + index, of: rows.upperBound - 1)) }
        let entry = Int(scratch.slots[0]) / Packing.tileRows * Packing.tileRows
        scoreEntries(tile, queries, entry..<Int(scratch.slots[count - 1]) + 1, cache: cache, scratch)
        if step.paths[rows.lowerBound] != nil {
            for query in 0..<queries.count {
                let scores = scratch.scores + query * scratch.layout.scoreStride
                for index in 0..<count { scores[index] = scores[Int(scratch.slots[index]) - entry] }
            }
        }
        for (index, query) in queries.enumerated() {
            weighPositions(
                scratch.scores + index * scratch.layout.scoreStride, from: low, count: count, groupStart: start,
                position: step.keyCount(row: tile.row(of: query)) - 1,
                taps: engine.vector(attention.convolution).map { $0 + tile.queryHead(of: query) * taps }, count: taps)
        }
        for index in 0..<count { scratch.slots[index] = UInt32(cache.slots.slot(of: Int(scratch.slots[index]))) }
        let near = scratch.running(queries: tile.queries).from(firstQuery, dimensions: dimensions)
        weigh(queries.count, positions: count, cache: cache, scratch, into: near) {
            $0.values = UnsafePointer(cache.values(head: tile.keyHead))
            $0.slots = UnsafePointer(scratch.slots)
        }
        let far = scratch.segment(queries: tile.queries)
        if let sums = base(groups.bases[rows.lowerBound], groups, head: tile.keyHead, cache: cache) {
            var operands = lathe_weighted_values()
            operands.packing = LATHE_F32
            operands.dimensions = dimensions
            operands.values = UnsafeRawPointer(sums.rows).assumingMemoryBound(to: UInt8.self)
            operands.count = dimensions
            operands.weights =
                UnsafeRawPointer(scratch.queries).assumingMemoryBound(to: Float.self)
                + queries.lowerBound * dimensions
            operands.weight_stride = dimensions
            operands.queries = queries.count
            operands.output = far.outputs
            operands.output_stride = dimensions
            kernels.weigh_values(&operands)
            for index in 0..<queries.count * dimensions { near.outputs[index] += attention.alpha * far.outputs[index] }
        }
        // There is nothing to divide by.
        near.sums.update(repeating: 1, count: queries.count)
    }

    /// Makes weights of one query's scores for `count` positions from `low` on: max(0, score)² in the group that begins at
    /// `groupStart`, 0 before it, and the taps of the last positions on top.
    private func weighPositions(
        _ scores: UnsafeMutablePointer<Float>, from low: Int, count: Int, groupStart: Int, position: Int,
        taps: UnsafePointer<Float>?, count tapCount: Int
    ) {
        let (begin, end) = (max(0, groupStart - low), position + 1 - low)
        for index in 0..<begin { scores[index] = 0 }
        for index in begin..<end {
            let score = max(0, scores[index])
            scores[index] = score * score
        }
        for index in end..<max(end, count) { scores[index] = 0 }
        guard let taps else { return }
        for tap in max(0, tapCount - 1 - position)..<tapCount {
            scores[end - tapCount + tap] += taps[tap]
        }
    }
}
