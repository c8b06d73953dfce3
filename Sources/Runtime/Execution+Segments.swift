import Kernels
import Plans

/// One segment of a tile's attention: its weights, and the values weighted with them.
extension Execution {
    /// Notes what each query of a tile sees, and makes the queries ready where weights are computed from them.
    @inline(never)
    func prepare(
        _ attention: AttentionOperands, _ tile: AttentionTile, cache: borrowing KeyValueCache,
        _ scratch: AttentionScratch
    ) {
        var query = 0
        for row in tile.rows {
            let count = session.step.keyCount(row: row)
            let (sinks, first) = attention.window?.reach(count: count) ?? (0, 0)
            for _ in 0..<tile.group {
                scratch.sinks[query] = UInt32(sinks)
                scratch.firsts[query] = UInt32(first)
                scratch.counts[query] = UInt32(count)
                query += 1
            }
        }
        if case .computed(let operands) = attention.weights {
            prepareQueries(operands, tile, cache: cache, scratch)
        }
    }

    /// Normalizes, rotates and scales the queries, and quantizes them where the cache is int8.
    @inline(never)
    private func prepareQueries(
        _ attention: HeadOperands, _ tile: AttentionTile, cache: borrowing KeyValueCache, _ scratch: AttentionScratch
    ) {
        let dimensions = cache.dimensions
        let stride = cache.queryBytes
        var query = 0
        for row in tile.rows {
            let source = floats(attention.projected, row: row) + tile.keyHead * tile.group * dimensions
            for head in 0..<tile.group {
                let destination = UnsafeMutableRawPointer(scratch.queries + query * stride)
                let isFloat = cache.element.packing.isFloat
                let scaled = isFloat ? destination.assumingMemoryBound(to: Float.self) : scratch.scaled
                normalizeAndRotate(
                    source + head * dimensions, norm: attention.queryNorm, attention, row: row, dimensions, into: scaled
                )
                for dimension in 0..<dimensions { scaled[dimension] *= attention.scale }
                if !isFloat {
                    engine.kernels.pointee.quantize_row(
                        scaled, dimensions, destination.assumingMemoryBound(to: UInt8.self))
                }
                query += 1
            }
        }
    }

    /// What the tile's queries make of one segment: sums of 0 where they see nothing of it.
    @inline(never)
    func reduce(
        _ attention: AttentionOperands, _ tile: AttentionTile, segment: AttentionSegment,
        cache: borrowing KeyValueCache,
        _ scratch: AttentionScratch,
        into partial: AttentionPartial
    ) {
        func isContiguous(_ row: Int, _ query: Int) -> Bool {
            session.step.paths[row] == nil
                || segment.start + scratch.visible(query, of: segment).upperBound <= session.step.committed
        }
        var query = 0
        var contiguous = 0
        for row in tile.rows {
            if isContiguous(row, query) {
                contiguous += 1
                query += tile.group
                continue
            }
            // The rows before it that have no gaps, together, and then this one by itself.
            let run = contiguous * tile.group
            reduceSlots(
                attention, tile, query - run..<query, segment: segment, cache: cache, scratch,
                into: partial.from(query - run, dimensions: cache.dimensions))
            contiguous = 0
            reducePath(
                attention, tile, row: row, firstQuery: query, segment: segment, cache: cache, scratch,
                into: partial.from(query, dimensions: cache.dimensions))
            query += tile.group
        }
        let run = contiguous * tile.group
        reduceSlots(
            attention, tile, query - run..<query, segment: segment, cache: cache, scratch,
            into: partial.from(query - run, dimensions: cache.dimensions))
    }

    /// One segment for queries whose positions in it are entries of the same number.
    private func reduceSlots(
        _ attention: AttentionOperands, _ tile: AttentionTile, _ queries: Range<Int>, segment: AttentionSegment,
        cache: borrowing KeyValueCache, _ scratch: AttentionScratch, into partial: AttentionPartial
    ) {
        guard !queries.isEmpty else { return }
        var (low, high) = (AttentionTiling.segment, 0)
        for query in queries {
            let visible = scratch.visible(query, of: segment)
            guard !visible.isEmpty else { continue }
            low = min(low, visible.lowerBound)
            high = max(high, visible.upperBound)
        }
        guard low < high else { return partial.clear(queries: queries.count) }
        low = low / Packing.tileRows * Packing.tileRows
        let slot = cache.slots.slot(of: segment.start + low, in: segment, committed: session.step.committed)
        for query in queries {
            let visible = scratch.visible(query, of: segment)
            scratch.begins[query - queries.lowerBound] = UInt32(max(0, visible.lowerBound - low))
            scratch.ends[query - queries.lowerBound] = UInt32(max(0, visible.upperBound - low))
        }
        findWeights(
            attention, tile, queries, segment: segment, from: low, count: high - low, scratch, partial
        ) {
            score(
                tile, queries, slots: slot..<slot + high - low, cache: cache, scratch, into: scratch.scores,
                stride: AttentionTiling.segment)
        }
        weigh(queries.count, positions: high - low, cache: cache, scratch, into: partial) {
            $0.values = UnsafePointer(cache.values(head: tile.keyHead, from: slot))
        }
    }

    /// One segment for the queries of one row whose path there leaves gaps between the entries: scores of all entries in
    /// between are computed, and gathered in path order.
    private func reducePath(
        _ attention: AttentionOperands, _ tile: AttentionTile, row: Int, firstQuery: Int, segment: AttentionSegment,
        cache: borrowing KeyValueCache,
        _ scratch: AttentionScratch, into partial: AttentionPartial
    ) {
        let queries = firstQuery..<firstQuery + tile.group
        let visible = scratch.visible(firstQuery, of: segment)
        guard !visible.isEmpty, let path = session.step.paths[row] else {
            return partial.clear(queries: queries.count)
        }
        // Positions count from a multiple of 16, as the partial sums of the softmax do.
        let low = visible.lowerBound / Packing.tileRows * Packing.tileRows
        let committed = session.step.committed
        for index in low..<visible.upperBound {
            let position = segment.start + index
            scratch.slots[index - low] =
                UInt32(position < committed ? position : committed + path[position - committed])
        }
        let count = visible.upperBound - low
        for head in 0..<tile.group {
            scratch.begins[head] = UInt32(visible.lowerBound - low)
            scratch.ends[head] = UInt32(count)
        }
        findWeights(attention, tile, queries, segment: segment, from: low, count: count, scratch, partial) {
            scoreEntries(tile, queries, count: count, cache: cache, scratch)
        }
        for index in 0..<count { scratch.slots[index] = UInt32(cache.slots.slot(of: Int(scratch.slots[index]))) }
        weigh(queries.count, positions: count, cache: cache, scratch, into: partial) {
            $0.values = UnsafePointer(cache.values(head: tile.keyHead))
            $0.slots = UnsafePointer(scratch.slots)
        }
    }

    /// Fills the scratch's scores with the queries' weights for `count` positions from `low` of the segment on, and
    /// `partial` with their largest scores and sums: the softmax of what `score` computes, or what the donor kept.
    private func findWeights(
        _ attention: AttentionOperands, _ tile: AttentionTile, _ queries: Range<Int>, segment: AttentionSegment,
        from low: Int,
        count: Int, _ scratch: AttentionScratch, _ partial: AttentionPartial, score: () -> Void
    ) {
        switch attention.weights {
        case .computed:
            score()
            engine.kernels.pointee.softmax_segment(
                scratch.scores, AttentionTiling.segment, queries.count, count, scratch.begins, scratch.ends,
                partial.largest, partial.sums)
            if attention.isDonor {
                keepWeights(attention, tile, queries, segment: segment, from: low, scratch, partial)
            }
        case .kept(let map):
            loadWeights(
                attention, map: map, tile, queries, segment: segment, from: low, count: count, scratch, partial)
        }
    }

    /// Scores of one row's queries with the keys of the scratch's first `count` entries, which rise.
    func scoreEntries(
        _ tile: AttentionTile, _ queries: Range<Int>, count: Int, cache: borrowing KeyValueCache,
        _ scratch: AttentionScratch
    ) {
        let first = Int(scratch.slots[0]) / Packing.tileRows * Packing.tileRows
        let stride = scratch.layout.slotScoreStride
        cache.slots.forEachRun(of: first..<Int(scratch.slots[count - 1]) + 1) { run, entry in
            score(
                tile, queries, slots: run, cache: cache, scratch, into: scratch.slotScores + (entry - first),
                stride: stride)
        }
        for head in 0..<queries.count {
            let (from, to) = (scratch.slotScores + head * stride, scratch.scores + head * AttentionTiling.segment)
            for index in 0..<count { to[index] = from[Int(scratch.slots[index]) - first] }
        }
    }

    /// Scores of the prepared `queries` with the keys of `slots`, whose first one is a multiple of 16: whole tiles.
    @inline(never)
    func score(
        _ tile: AttentionTile, _ queries: Range<Int>, slots: Range<Int>, cache: borrowing KeyValueCache,
        _ scratch: AttentionScratch, into scores: UnsafeMutablePointer<Float>, stride: Int
    ) {
        let tiles = (slots.count + Packing.tileRows - 1) / Packing.tileRows
        var product = lathe_product()
        product.weights = UnsafePointer(cache.keys(head: tile.keyHead, fromTileAt: slots.lowerBound))
        product.outputs = tiles * Packing.tileRows
        product.columns = cache.dimensions
        product.group = cache.element.packing.groupColumns
        product.input = UnsafePointer(scratch.queries + queries.lowerBound * cache.queryBytes)
        product.input_stride = cache.queryBytes
        product.rows = queries.count
        product.output = scores
        product.output_stride = stride
        product.tile_begin = 0
        product.tile_end = tiles
        engine.product(of: cache.element.packing)(&product)
    }

    /// The values weighted with the weights in the scratch's scores; `values` says where those lie.
    @inline(never)
    func weigh(
        _ queries: Int, positions: Int, cache: borrowing KeyValueCache, _ scratch: AttentionScratch,
        into partial: AttentionPartial, _ values: (inout lathe_weighted_values) -> Void
    ) {
        var operands = lathe_weighted_values()
        operands.packing = cache.element.packing.kernelPacking
        operands.dimensions = cache.dimensions
        operands.count = positions
        operands.weights = UnsafePointer(scratch.scores)
        operands.weight_stride = AttentionTiling.segment
        operands.queries = queries
        operands.output = partial.outputs
        operands.output_stride = cache.dimensions
        values(&operands)
        engine.kernels.pointee.weigh_values(&operands)
    }
}

extension AttentionScratch {
    /// What a query sees of a segment, counted from its start.
    fileprivate func visible(_ query: Int, of segment: AttentionSegment) -> Range<Int> {
        guard case .positions = segment else { return 0..<Int(sinks[query]) }
        let start = segment.start
        let begin = min(max(0, Int(firsts[query]) - start), AttentionTiling.segment)
        let end = min(max(0, Int(counts[query]) - start), AttentionTiling.segment)
        return begin..<max(begin, end)
    }
}

extension KeyValueCache {
    /// Bytes of one query as the product with the keys takes it.
    fileprivate var queryBytes: Int {
        element.packing.isFloat ? dimensions * 4 : Int(lathe_quantized_row_bytes(dimensions))
    }
}
