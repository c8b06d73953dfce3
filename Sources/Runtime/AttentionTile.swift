import Kernels
import Plans

/// How many rows of a step attend together with the query heads of one key head, so that its keys and values are read
/// once for all of them.
struct AttentionTiling {
    /// Positions that are reduced by themselves before they are merged (kernels.h).
    static let segment = Int(LATHE_SEGMENT)

    /// Query heads that share a key head.
    let group: Int
    /// Rows of a tile.
    let rows: Int

    init(queryHeads: Int, keyHeads: Int) {
        group = max(1, queryHeads / max(1, keyHeads))
        // 24 queries keep their scores and sums in the first- and second-level caches, and fill the kernels' blocks.
        rows = max(1, min(8, 24 / group))
    }

    /// Queries of a whole tile.
    var queries: Int { rows * group }

    func tiles(of rowCount: Int) -> Int { (rowCount + rows - 1) / rows }
}

/// The rows that attend together and the key head that they attend to.
struct AttentionTile {
    let rows: Range<Int>
    let keyHead: Int
    /// Query heads that share the key head.
    let group: Int

    var queries: Int { rows.count * group }

    /// The row that one of its queries belongs to: queries go by row, then by head.
    func row(of query: Int) -> Int { rows.lowerBound + query / group }

    /// The number of a query's head among all of its row.
    func queryHead(of query: Int) -> Int { keyHead * group + query % group }

    /// Those of its rows whose slots lie in a segment.
    func rows(in segment: Int, step: Step) -> Range<Int> {
        let first = segment * AttentionTiling.segment - step.committed
        let begin = min(max(rows.lowerBound, first), rows.upperBound)
        return begin..<min(max(begin, first + AttentionTiling.segment), rows.upperBound)
    }
}

/// What one segment gave, or several merged ones: for each query the largest score, the sum of exponentials (0 where
/// nothing was visible) and the weighted sum of values, queries one after the other without gaps.
struct AttentionPartial {
    let largest: UnsafeMutablePointer<Float>
    let sums: UnsafeMutablePointer<Float>
    let outputs: UnsafeMutablePointer<Float>

    init(_ base: UnsafeMutablePointer<Float>, queries: Int) {
        largest = base
        sums = base + queries
        outputs = base + 2 * queries
    }

    private init(
        largest: UnsafeMutablePointer<Float>, sums: UnsafeMutablePointer<Float>, outputs: UnsafeMutablePointer<Float>
    ) {
        self.largest = largest
        self.sums = sums
        self.outputs = outputs
    }

    /// Floats that the partial of `queries` queries takes, a multiple of 16.
    static func floats(queries: Int, dimensions: Int) -> Int { (queries * (dimensions + 2) + 15) / 16 * 16 }

    /// The part of the queries from `query` on.
    func from(_ query: Int, dimensions: Int) -> AttentionPartial {
        AttentionPartial(largest: largest + query, sums: sums + query, outputs: outputs + query * dimensions)
    }

    func clear(queries: Int) { sums.update(repeating: 0, count: queries) }

    /// Merges a later segment's partial into this one.
    func merge(_ segment: AttentionPartial, queries: Int, dimensions: Int, kernels: UnsafePointer<lathe_kernels>) {
        kernels.pointee.merge_segment(
            queries, dimensions, segment.largest, segment.sums, segment.outputs, largest, sums, outputs)
    }
}
