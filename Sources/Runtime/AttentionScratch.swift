import Kernels
import Plans

/// Sizes of one thread's attention memory, for the largest of a program's attentions; each part begins at 64 bytes.
struct AttentionScratchLayout {
    /// From one query's scores to the next one's, in floats: a segment, and what a path can leave out of entries.
    let scoreStride: Int
    let scores: Int
    let running: Int
    let segment: Int
    let scaled: Int
    let keys: Int
    let bounds: Int
    let keyColumns: Int
    let groupSums: Int
    let groupKeys: Int
    let features: Int
    let mapBounds: Int
    /// Rows of features at the most.
    let featureRows: Int
    let byteCount: Int
    /// Queries of the largest tile.
    let queries: Int

    init(_ program: Program) {
        var (queries, queryBytes, partialBytes, rowBytes) = (1, 1, 1, 1)
        for (tiling, _, dimensions) in program.attentions {
            queries = max(queries, tiling.queries)
            queryBytes = max(queryBytes, tiling.queries * max(dimensions * 4, lathe_quantized_row_bytes(dimensions)))
            partialBytes = max(
                partialBytes, AttentionPartial.floats(queries: tiling.queries, dimensions: dimensions) * 4)
            rowBytes = max(rowBytes, dimensions * 4)
        }
        // A segment's slots lie within its length and the rows of the step, a tile of 16 more at either end.
        scoreStride = (AttentionTiling.segment + program.maximumRows + 15) / 16 * 16 + 32
        self.queries = queries
        var end = 0
        func place(_ bytes: Int) -> Int {
            defer { end += (bytes + 63) / 64 * 64 }
            return end
        }
        _ = place(queryBytes)
        scores = place(queries * scoreStride * 4)
        running = place(partialBytes)
        segment = place(partialBytes)
        scaled = place(rowBytes)
        keys = place(Packing.tileRows * rowBytes)
        // Visible sinks, first visible position and number of positions of each query, what is seen of a segment, and the
        // entries of one.
        bounds = place((5 * queries + scoreStride) * 4)
        // Of states with sums: features of a group's positions, and what some of their products with the values add up to.
        var (columns, positions, mapped) = (0, 0, 0)
        for (state, groups) in zip(program.states, program.groups) {
            guard let groups, let sums = state.sums else { continue }
            columns = max(columns, sums.areWeighed ? sums.features : Execution.slice)
            if sums.areWeighed {
                positions = max(positions, groups.size)
                mapped = max(mapped, sums.features)
            }
        }
        keyColumns = place(columns * AttentionTiling.segment * 4)
        groupSums = place(columns > 0 ? Execution.slice * rowBytes : 0)
        groupKeys = place(positions * rowBytes)
        // Queries or positions with their features, and what each row of those is made with.
        featureRows = mapped > 0 ? max(queries, positions) : 0
        features = place(featureRows * mapped * 4)
        mapBounds = place(4 * featureRows * 4)
        byteCount = end
    }
}

/// One thread's memory for one tile of attention.
struct AttentionScratch {
    let base: UnsafeMutableRawPointer
    let layout: AttentionScratchLayout

    /// Scaled queries, quantized for an int8 cache.
    var queries: UnsafeMutablePointer<UInt8> { base.assumingMemoryBound(to: UInt8.self) }
    /// Scores of the tile's queries, by position in path order or by entry.
    var scores: UnsafeMutablePointer<Float> { floats(layout.scores) }
    /// One scaled query on its way to be quantized.
    var scaled: UnsafeMutablePointer<Float> { floats(layout.scaled) }
    /// Keys of up to 16 rows on their way to the cache.
    var keys: UnsafeMutablePointer<Float> { floats(layout.keys) }
    /// Each query's first visible position behind the sinks.
    var firsts: UnsafeMutablePointer<UInt32> { (base + layout.bounds).assumingMemoryBound(to: UInt32.self) }
    /// Each query's number of positions.
    var counts: UnsafeMutablePointer<UInt32> { firsts + layout.queries }
    /// What is seen of a segment, counted from the first position whose score is computed.
    var begins: UnsafeMutablePointer<UInt32> { firsts + 2 * layout.queries }
    var ends: UnsafeMutablePointer<UInt32> { firsts + 3 * layout.queries }
    /// Sinks that each query sees.
    var sinks: UnsafeMutablePointer<UInt32> { firsts + 4 * layout.queries }
    /// Entries, and then slots, of a segment's positions.
    var slots: UnsafeMutablePointer<UInt32> { firsts + 5 * layout.queries }

    /// Some features of a group's keys, each a segment's length apart.
    var keyColumns: UnsafeMutablePointer<Float> { floats(layout.keyColumns) }
    /// Sums over a group for a slice of those features.
    var groupSums: UnsafeMutablePointer<Float> { floats(layout.groupSums) }
    /// Keys of a group, one behind the other.
    var groupKeys: UnsafeMutablePointer<Float> { floats(layout.groupKeys) }
    /// Features of queries, or of a group's keys, one row behind the other.
    var features: UnsafeMutablePointer<Float> { floats(layout.features) }
    /// What of a row's products with a map there is, the largest of them, and the sum of their exponentials.
    var mapBegins: UnsafeMutablePointer<UInt32> { (base + layout.mapBounds).assumingMemoryBound(to: UInt32.self) }
    var mapEnds: UnsafeMutablePointer<UInt32> { mapBegins + layout.featureRows }
    var mapLargest: UnsafeMutablePointer<Float> { floats(layout.mapBounds) + 2 * layout.featureRows }
    var mapSums: UnsafeMutablePointer<Float> { floats(layout.mapBounds) + 3 * layout.featureRows }

    /// The merged segments of the tile.
    func running(queries: Int) -> AttentionPartial { AttentionPartial(floats(layout.running), queries: queries) }
    /// The segment under way.
    func segment(queries: Int) -> AttentionPartial { AttentionPartial(floats(layout.segment), queries: queries) }

    private func floats(_ offset: Int) -> UnsafeMutablePointer<Float> {
        (base + offset).assumingMemoryBound(to: Float.self)
    }
}
