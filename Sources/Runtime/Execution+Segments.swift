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
    ///
    /// Scores are those of all entries from the first to the last one that some query sees. Where a row's path leaves gaps
    /// between its entries, softmax has them closed; then weights of 0 stand in them, which add nothing to the values' sums.
    @inline(never)
    func reduce(
        _ attention: AttentionOperands, _ tile: AttentionTile, segment: AttentionSegment,
        cache: borrowing KeyValueCache,
        _ scratch: AttentionScratch,
        into partial: AttentionPartial
    ) {
        let (step, queries) = (session.step, tile.queries)
        var (low, high, last) = (AttentionTiling.segment, 0, 0)
        for query in 0..<queries {
            let visible = scratch.visible(query, of: segment)
            guard !visible.isEmpty else { continue }
            low = min(low, visible.lowerBound)
            high = max(high, visible.upperBound)
            last = max(last, step.entry(at: segment.start + visible.upperBound - 1, of: tile.row(of: query)))
        }
        guard low < high else { return partial.clear(queries: queries) }
        // Positions count from a multiple of 16, as tiles of keys and the partial sums of the softmax do.
        low = low / Packing.tileRows * Packing.tileRows
        for query in 0..<queries {
            let visible = scratch.visible(query, of: segment)
            scratch.begins[query] = visible.isEmpty ? 0 : UInt32(visible.lowerBound - low)
            scratch.ends[query] = visible.isEmpty ? 0 : UInt32(visible.upperBound - low)
        }
        let first = segment.start + low
        let (count, entries) = (high - low, first..<last + 1)
        let hasGaps = entries.count > count
        let slot = cache.slots.slot(of: first, in: segment, committed: step.committed)
        findWeights(attention, tile, segment: segment, from: low, count: count, scratch, partial) {
            guard hasGaps else {
                return score(tile, 0..<queries, slots: slot..<slot + count, cache: cache, scratch, into: scratch.scores)
            }
            scoreEntries(tile, 0..<queries, entries, cache: cache, scratch)
            closeGaps(tile, first, scratch)
        }
        guard hasGaps else {
            return weigh(queries, positions: count, cache: cache, scratch, into: partial) {
                $0.values = UnsafePointer(cache.values(head: tile.keyHead, from: slot))
            }
        }
        openGaps(tile, first, entries: entries.count, scratch)
        cache.slots.forEachRun(of: entries) { slots, entry in
            for slot in slots { scratch.slots[entry - first + slot - slots.lowerBound] = UInt32(slot) }
        }
        weigh(queries, positions: entries.count, cache: cache, scratch, into: partial) {
            $0.values = UnsafePointer(cache.values(head: tile.keyHead))
            $0.slots = UnsafePointer(scratch.slots)
        }
    }

    /// Moves scores of what is not committed from the places of entries to those of positions, counted from `first`.
    private func closeGaps(_ tile: AttentionTile, _ first: Int, _ scratch: AttentionScratch) {
        let committed = session.step.committed - first
        for (index, row) in tile.rows.enumerated() {
            guard let path = session.step.paths[row] else { continue }
            for query in index * tile.group..<(index + 1) * tile.group {
                let scores = scratch.scores + query * scratch.layout.scoreStride
                var place = max(Int(scratch.begins[query]), committed)
                while place < Int(scratch.ends[query]) {
                    scores[place] = scores[committed + path[place - committed]]
                    place += 1
                }
            }
        }
    }

    /// Moves weights back, and puts 0 between them and behind them, as far as there are entries.
    private func openGaps(_ tile: AttentionTile, _ first: Int, entries: Int, _ scratch: AttentionScratch) {
        let committed = session.step.committed - first
        for (index, row) in tile.rows.enumerated() {
            let path = session.step.paths[row]
            for query in index * tile.group..<(index + 1) * tile.group {
                let scores = scratch.scores + query * scratch.layout.scoreStride
                var (place, free) = (Int(scratch.ends[query]), entries)
                if let path {
                    // An entry never comes before its position, so what has not been moved is not written over.
                    while place > max(0, committed) {
                        place -= 1
                        let (weight, entry) = (scores[place], committed + path[place - committed])
                        (scores + entry + 1).update(repeating: 0, count: free - entry - 1)
                        scores[entry] = weight
                        free = entry
                    }
                }
                (scores + place).update(repeating: 0, count: free - place)
            }
        }
    }

    /// Fills the scratch's scores with the queries' weights for `count` positions from `low` of the segment on, and
    /// `partial` with their largest scores and sums: the softmax of what `score` computes, or what the donor kept.
    private func findWeights(
        _ attention: AttentionOperands, _ tile: AttentionTile, segment: AttentionSegment, from low: Int, count: Int,
        _ scratch: AttentionScratch, _ partial: AttentionPartial, score: () -> Void
    ) {
        switch attention.weights {
        case .computed:
            score()
            engine.kernels.pointee.softmax_segment(
                scratch.scores, scratch.layout.scoreStride, tile.queries, count, scratch.begins, scratch.ends,
                partial.largest, partial.sums)
            if attention.isDonor {
                keepWeights(attention, tile, segment: segment, from: low, scratch, partial)
            }
        case .kept(let map):
            loadWeights(attention, map: map, tile, segment: segment, from: low, count: count, scratch, partial)
        }
    }

    /// Scores of the prepared `queries` with the keys of entries, whose first one is a multiple of 16.
    func scoreEntries(
        _ tile: AttentionTile, _ queries: Range<Int>, _ entries: Range<Int>, cache: borrowing KeyValueCache,
        _ scratch: AttentionScratch
    ) {
        cache.slots.forEachRun(of: entries) { run, entry in
            score(
                tile, queries, slots: run, cache: cache, scratch,
                into: scratch.scores + (entry - entries.lowerBound))
        }
    }

    /// Scores of the prepared `queries` with the keys of `slots`, whose first one is a multiple of 16: whole tiles.
    @inline(never)
    func score(
        _ tile: AttentionTile, _ queries: Range<Int>, slots: Range<Int>, cache: borrowing KeyValueCache,
        _ scratch: AttentionScratch, into scores: UnsafeMutablePointer<Float>
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
        product.output_stride = scratch.layout.scoreStride
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
        operands.weight_stride = scratch.layout.scoreStride
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
