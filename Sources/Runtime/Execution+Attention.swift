import Kernels
import Plans

extension Execution {
    /// Softmax attention of the step's rows (kernels.h, "Softmax attention").
    ///
    /// A unit of work is a tile of rows with one key head, or one segment of that where few rows have a long context; then
    /// the segment that is finished last merges them all. Either way gives the same bits. What a single tile of a chain
    /// adds to a segment nobody but that segment's unit reads, so the unit itself stores it; otherwise all keys and
    /// values are stored first.
    func attend(_ operands: SoftmaxAttention) {
        session.withCache(operands.state) { cache in
            let attention = HeadOperands(operands, engine: engine)
            let tiling = AttentionTiling(queryHeads: operands.queryHeads, keyHeads: cache.heads)
            let rowCount = session.step.rows.count
            let storesInUnits = rowCount <= tiling.rows && session.step.isChain
            if !storesInUnits {
                storeKeysAndValues(attention, cache: cache)
                engine.pool.barrier(thread: thread)
            }
            let (tiles, heads) = (tiling.tiles(of: rowCount), cache.heads)
            func tile(_ pair: Int) -> AttentionTile {
                // Later rows see more, so their tiles come first: what is left for the end is short.
                let first = (tiles - 1 - pair / heads) * tiling.rows
                return AttentionTile(
                    rows: first..<min(first + tiling.rows, rowCount), keyHead: pair % heads, group: tiling.group)
            }
            let pairs = tiles * heads
            let segments = visibleSegments(window: operands.window)
            if tiles <= SegmentPartials.mostTiles, isBetterSplit(pairs: pairs, segments: segments.count) {
                forEachUnit(of: pairs * segments.count) { unit in
                    let (pair, segment) = (unit / segments.count, segments.lowerBound + unit % segments.count)
                    let tile = tile(pair)
                    if storesInUnits {
                        store(attention, tile.rows(in: segment, step: session.step), tile, cache: cache)
                    }
                    attendSegment(attention, tile, pair: pair, segment: segment, of: segments, cache: cache)
                }
            } else {
                forEachUnit(of: pairs) { pair in
                    let tile = tile(pair)
                    if storesInUnits { store(attention, tile.rows, tile, cache: cache) }
                    attendWhole(attention, tile, cache: cache)
                }
            }
        }
    }

    /// Segments that some row of the step may see.
    private func visibleSegments(window: Int) -> Range<Int> {
        let (committed, rows) = (session.step.committed, session.step.rows.count)
        let first = window > 0 ? max(0, committed + 1 - window) : 0
        return first / AttentionTiling.segment..<(committed + rows - 1) / AttentionTiling.segment + 1
    }

    /// Whether the longest share of single segments is shorter, by an eighth or more, than that of whole pairs.
    private func isBetterSplit(pairs: Int, segments: Int) -> Bool {
        let threads = engine.threadCount
        guard threads > 1, segments > 1 else { return false }
        let whole = (pairs + threads - 1) / threads * segments
        let split = (pairs * segments + threads - 1) / threads
        return whole * 8 > split * 9
    }

    /// All segments of a tile, one after the other.
    private func attendWhole(_ attention: HeadOperands, _ tile: AttentionTile, cache: borrowing KeyValueCache) {
        let scratch = session.scratch.attention(thread: thread)
        prepareQueries(attention, tile, cache: cache, scratch)
        let running = scratch.running(queries: tile.queries)
        let next = scratch.segment(queries: tile.queries)
        var (first, last) = (UInt32.max, UInt32(0))
        for query in 0..<tile.queries {
            first = min(first, scratch.firsts[query])
            last = max(last, scratch.counts[query])
        }
        let firstSegment = Int(first) / AttentionTiling.segment
        reduce(tile, segment: firstSegment, cache: cache, scratch, into: running)
        for segment in firstSegment + 1..<max(firstSegment, (Int(last) - 1) / AttentionTiling.segment) + 1 {
            reduce(tile, segment: segment, cache: cache, scratch, into: next)
            running.merge(
                next, queries: tile.queries, dimensions: cache.dimensions, kernels: engine.kernels)
        }
        finish(attention, tile, running, dimensions: cache.dimensions)
    }

    /// One segment of a tile; the last one to be done merges all of them.
    private func attendSegment(
        _ attention: HeadOperands, _ tile: AttentionTile, pair: Int, segment: Int, of segments: Range<Int>,
        cache: borrowing KeyValueCache
    ) {
        let scratch = session.scratch.attention(thread: thread)
        prepareQueries(attention, tile, cache: cache, scratch)
        func partial(_ segment: Int) -> AttentionPartial {
            session.partials.partial(pair: pair, segment: segment, queries: tile.queries)
        }
        reduce(tile, segment: segment, cache: cache, scratch, into: partial(segment))
        guard session.partials.finishesLast(pair: pair, of: segments.count) else { return }
        let merged = partial(segments.lowerBound)
        for segment in segments.dropFirst() {
            merged.merge(
                partial(segment), queries: tile.queries, dimensions: cache.dimensions, kernels: engine.kernels)
        }
        finish(attention, tile, merged, dimensions: cache.dimensions)
    }

    /// Normalizes, rotates and scales the queries, quantizes them where the cache is int8, and notes what each of them
    /// sees.
    private func prepareQueries(
        _ attention: HeadOperands, _ tile: AttentionTile, cache: borrowing KeyValueCache, _ scratch: AttentionScratch
    ) {
        let dimensions = cache.dimensions
        let stride = cache.queryBytes
        var query = 0
        for row in tile.rows {
            let count = session.step.keyCount(row: row)
            let window = attention.operands.window
            let first = window > 0 ? max(0, count - window) : 0
            let source = floats(attention.operands.projected, row: row) + tile.keyHead * tile.group * dimensions
            for head in 0..<tile.group {
                scratch.firsts[query] = UInt32(first)
                scratch.counts[query] = UInt32(count)
                let destination = UnsafeMutableRawPointer(scratch.queries + query * stride)
                let isFloat = cache.element.packing.isFloat
                let scaled = isFloat ? destination.assumingMemoryBound(to: Float.self) : scratch.scaled
                normalizeAndRotate(
                    source + head * dimensions, norm: attention.queryNorm, attention, row: row, dimensions, into: scaled
                )
                for dimension in 0..<dimensions { scaled[dimension] *= attention.operands.scale }
                if !isFloat {
                    engine.kernels.pointee.quantize_row(
                        scaled, dimensions, destination.assumingMemoryBound(to: UInt8.self))
                }
                query += 1
            }
        }
    }

    /// What the tile's queries make of one segment: sums of 0 where they see nothing of it.
    private func reduce(
        _ tile: AttentionTile, segment: Int, cache: borrowing KeyValueCache, _ scratch: AttentionScratch,
        into partial: AttentionPartial
    ) {
        let end = (segment + 1) * AttentionTiling.segment
        func isContiguous(_ row: Int, _ query: Int) -> Bool {
            session.step.paths[row] == nil || min(Int(scratch.counts[query]), end) <= session.step.committed
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
                tile, query - run..<query, segment: segment, cache: cache, scratch,
                into: partial.from(query - run, dimensions: cache.dimensions))
            contiguous = 0
            reducePath(
                tile, row: row, firstQuery: query, segment: segment, cache: cache, scratch,
                into: partial.from(query, dimensions: cache.dimensions))
            query += tile.group
        }
        let run = contiguous * tile.group
        reduceSlots(
            tile, query - run..<query, segment: segment, cache: cache, scratch,
            into: partial.from(query - run, dimensions: cache.dimensions))
    }

    /// One segment for queries whose positions in it are slots of the same number.
    private func reduceSlots(
        _ tile: AttentionTile, _ queries: Range<Int>, segment: Int, cache: borrowing KeyValueCache,
        _ scratch: AttentionScratch, into partial: AttentionPartial
    ) {
        guard !queries.isEmpty else { return }
        let start = segment * AttentionTiling.segment
        var (low, high) = (AttentionTiling.segment, 0)
        for query in queries {
            let visible = scratch.visible(query, from: start)
            guard !visible.isEmpty else { continue }
            low = min(low, visible.lowerBound)
            high = max(high, visible.upperBound)
        }
        guard low < high else { return partial.clear(queries: queries.count) }
        low = low / Packing.tileRows * Packing.tileRows
        for query in queries {
            let visible = scratch.visible(query, from: start)
            scratch.begins[query - queries.lowerBound] = UInt32(max(0, visible.lowerBound - low))
            scratch.ends[query - queries.lowerBound] = UInt32(max(0, visible.upperBound - low))
        }
        score(
            tile, queries, slots: start + low..<start + high, cache: cache, scratch, into: scratch.scores,
            stride: AttentionTiling.segment)
        weigh(queries.count, positions: high - low, cache: cache, scratch, into: partial) {
            $0.values = UnsafePointer(cache.values(head: tile.keyHead, from: start + low))
        }
    }

    /// One segment for the queries of one row whose path there leaves gaps between the slots: the scores of all slots in
    /// between are computed, and gathered in path order.
    private func reducePath(
        _ tile: AttentionTile, row: Int, firstQuery: Int, segment: Int, cache: borrowing KeyValueCache,
        _ scratch: AttentionScratch, into partial: AttentionPartial
    ) {
        let start = segment * AttentionTiling.segment
        let queries = firstQuery..<firstQuery + tile.group
        let visible = scratch.visible(firstQuery, from: start)
        guard !visible.isEmpty, let path = session.step.paths[row] else {
            return partial.clear(queries: queries.count)
        }
        // Positions count from a multiple of 16, as the partial sums of the softmax do.
        let low = visible.lowerBound / Packing.tileRows * Packing.tileRows
        let committed = session.step.committed
        for index in low..<visible.upperBound {
            let position = start + index
            scratch.slots[index - low] =
                UInt32(position < committed ? position : committed + path[position - committed])
        }
        let firstSlot = Int(scratch.slots[0]) / Packing.tileRows * Packing.tileRows
        let lastSlot = Int(scratch.slots[visible.upperBound - low - 1])
        let stride = scratch.layout.slotScoreStride
        score(
            tile, queries, slots: firstSlot..<lastSlot + 1, cache: cache, scratch, into: scratch.slotScores,
            stride: stride)
        for head in 0..<tile.group {
            let (from, to) = (scratch.slotScores + head * stride, scratch.scores + head * AttentionTiling.segment)
            for index in 0..<visible.upperBound - low { to[index] = from[Int(scratch.slots[index]) - firstSlot] }
            scratch.begins[head] = UInt32(visible.lowerBound - low)
            scratch.ends[head] = UInt32(visible.upperBound - low)
        }
        weigh(queries.count, positions: visible.upperBound - low, cache: cache, scratch, into: partial) {
            $0.values = UnsafePointer(cache.values(head: tile.keyHead))
            $0.slots = UnsafePointer(scratch.slots)
        }
    }

    /// Scores of the prepared `queries` with the keys of `slots`, whose first one is a multiple of 16: whole tiles.
    private func score(
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

    /// The softmax of the scores, and the values weighted with it; `values` says where those lie.
    private func weigh(
        _ queries: Int, positions: Int, cache: borrowing KeyValueCache, _ scratch: AttentionScratch,
        into partial: AttentionPartial, _ values: (inout lathe_weighted_values) -> Void
    ) {
        engine.kernels.pointee.softmax_segment(
            scratch.scores, AttentionTiling.segment, queries, positions, scratch.begins, scratch.ends,
            partial.largest, partial.sums)
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

    /// Divides by the sums and writes the tile's rows.
    private func finish(_ attention: HeadOperands, _ tile: AttentionTile, _ merged: AttentionPartial, dimensions: Int) {
        let width = tile.group * dimensions
        for (index, row) in tile.rows.enumerated() {
            writeSlice(attention.operands.output, row: row, tile.keyHead * width..<(tile.keyHead + 1) * width) {
                output in
                for head in 0..<tile.group {
                    let query = index * tile.group + head
                    engine.kernels.pointee.finish_attention(
                        merged.outputs + query * dimensions, merged.sums[query], dimensions,
                        output + head * dimensions)
                }
            }
        }
    }
}

extension AttentionScratch {
    /// What a query sees of the segment that begins at `start`, counted from there.
    fileprivate func visible(_ query: Int, from start: Int) -> Range<Int> {
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
