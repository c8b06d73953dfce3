import Kernels
import Plans

extension Execution {
    /// Attention of the step's rows (kernels.h, "Softmax attention"), with weights of its own or of a donor.
    ///
    /// A unit of work is a tile of rows with one key head, or one segment of that where few rows have a long context; then
    /// the segment that is finished last merges them all. Either way gives the same bits. What a single tile of a chain
    /// adds to a segment nobody but that segment's unit reads, so the unit itself stores it; otherwise all keys and
    /// values are stored first.
    func attend(_ attention: AttentionOperands) {
        session.withCache(attention.state) { cache in
            let tiling = AttentionTiling(queryHeads: attention.queryHeads, keyHeads: cache.heads)
            let rowCount = session.step.rows.count
            let groups = attention.distant.flatMap { session.step.groups(of: $0.groups) }
            if let groups, let distant = attention.distant { fold(groups, of: .features(distant), cache: cache) }
            // Sinks that are not committed yet are read beside the segment that stores them.
            let storesInUnits =
                rowCount <= tiling.rows && session.step.isChain
                && session.step.committed >= attention.window?.sinks ?? 0 && groups?.closings.isEmpty != false
            if !storesInUnits {
                storeKeysAndValues(attention, cache: cache)
                engine.pool.barrier(thread: thread)
            }
            if let groups, let distant = attention.distant { close(groups, of: .features(distant), cache: cache) }
            let (tiles, heads) = (tiling.tiles(of: rowCount), cache.heads)
            func tile(_ pair: Int) -> AttentionTile {
                // Later rows see more, so their tiles come first: what is left for the end is short.
                let first = (tiles - 1 - pair / heads) * tiling.rows
                return AttentionTile(
                    rows: first..<min(first + tiling.rows, rowCount), keyHead: pair % heads, group: tiling.group)
            }
            let pairs = tiles * heads
            let segments = AttentionSegments(window: attention.window, step: session.step)
            if tiles <= SegmentPartials.mostTiles, isBetterSplit(pairs: pairs, segments: segments.count) {
                forEachUnit(of: pairs * segments.count) { unit in
                    let (pair, ordinal) = (unit / segments.count, unit % segments.count)
                    let tile = tile(pair)
                    if storesInUnits, case .positions(let segment) = segments[ordinal] {
                        store(attention, tile.rows(in: segment, step: session.step), tile, cache: cache)
                    }
                    attendSegment(attention, tile, pair: pair, segment: ordinal, of: segments, cache: cache)
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

    /// Whether the longest share of single segments is shorter, by an eighth or more, than that of whole pairs.
    private func isBetterSplit(pairs: Int, segments: Int) -> Bool {
        let threads = engine.threadCount
        guard threads > 1, segments > 1 else { return false }
        let whole = (pairs + threads - 1) / threads * segments
        let split = (pairs * segments + threads - 1) / threads
        return whole * 8 > split * 9
    }

    /// All segments of a tile, one after the other.
    private func attendWhole(_ attention: AttentionOperands, _ tile: AttentionTile, cache: borrowing KeyValueCache) {
        let scratch = session.scratch.attention(thread: thread)
        prepare(attention, tile, cache: cache, scratch)
        let running = scratch.running(queries: tile.queries)
        let next = scratch.segment(queries: tile.queries)
        var (first, last, sinks) = (UInt32.max, UInt32(0), UInt32(0))
        for query in 0..<tile.queries {
            first = min(first, scratch.firsts[query])
            last = max(last, scratch.counts[query])
            sinks = max(sinks, scratch.sinks[query])
        }
        let firstNumber = Int(first) / AttentionTiling.segment
        let lastNumber = max(firstNumber, (Int(last) - 1) / AttentionTiling.segment)
        let start: AttentionSegment = sinks > 0 ? .sinks : .positions(firstNumber)
        reduce(attention, tile, segment: start, cache: cache, scratch, into: running)
        for number in (sinks > 0 ? firstNumber : firstNumber + 1)..<lastNumber + 1 {
            reduce(attention, tile, segment: .positions(number), cache: cache, scratch, into: next)
            running.merge(
                next, queries: tile.queries, dimensions: cache.dimensions, kernels: engine.kernels)
        }
        if let distant = attention.distant { addDistant(distant, tile, running, cache: cache) }
        finish(attention, tile, running, dimensions: cache.dimensions)
    }

    /// One segment of a tile, by its place among `segments`; the last one to be done merges all of them.
    private func attendSegment(
        _ attention: AttentionOperands, _ tile: AttentionTile, pair: Int, segment: Int, of segments: AttentionSegments,
        cache: borrowing KeyValueCache
    ) {
        let scratch = session.scratch.attention(thread: thread)
        prepare(attention, tile, cache: cache, scratch)
        func partial(_ segment: Int) -> AttentionPartial {
            session.partials.partial(pair: pair, segment: segment, queries: tile.queries)
        }
        reduce(attention, tile, segment: segments[segment], cache: cache, scratch, into: partial(segment))
        guard session.partials.finishesLast(pair: pair, of: segments.count) else { return }
        let merged = partial(0)
        for segment in 1..<segments.count {
            merged.merge(
                partial(segment), queries: tile.queries, dimensions: cache.dimensions, kernels: engine.kernels)
        }
        if let distant = attention.distant { addDistant(distant, tile, merged, cache: cache) }
        finish(attention, tile, merged, dimensions: cache.dimensions)
    }

    /// Divides by the sums and writes the tile's rows.
    @inline(never)
    func finish(
        _ attention: AttentionOperands, _ tile: AttentionTile, _ merged: AttentionPartial, dimensions: Int
    ) {
        let width = tile.group * dimensions
        for (index, row) in tile.rows.enumerated() {
            writeSlice(attention.output, row: row, tile.keyHead * width..<(tile.keyHead + 1) * width) {
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
