import Kernels
import Plans

/// The operands of the sums behind a window, its tensors found.
struct DistantOperands {
    let groups: PositionGroups
    let queryMap: Engine.Matrix
    let keyMap: Engine.Matrix
    let gate: UnsafePointer<Float>
    /// Rows of a head's map.
    let mapRows: Int
    /// Maps of a key head's keys: one, or one for each of its query heads.
    let mapsPerHead: Int

    /// Features that a map makes.
    var features: Int { 2 * mapRows }

    /// Nil where a tensor is missing, which no verified program lacks.
    init?(_ window: AttentionWindow, queryHeads: Int, keyHeads: Int, engine: Engine) {
        guard let distant = window.distant, let groups = window.groups, let queryMap = engine.matrix(distant.queryMap),
            let keyMap = engine.matrix(distant.keyMap), let gate = engine.vector(distant.gate)
        else { return nil }
        self.groups = groups
        self.queryMap = queryMap
        self.keyMap = keyMap
        self.gate = gate
        mapRows = queryMap.rows / queryHeads
        mapsPerHead = keyMap.rows / (mapRows * keyHeads)
    }
}

/// Linear attention to what a window leaves out (formats/plan.md, "attend hybrid").
extension Execution {
    /// Weighs what a tile's queries found in the window beside what the sums give them.
    @inline(never)
    func addDistant(
        _ distant: DistantOperands, _ tile: AttentionTile, _ merged: AttentionPartial, cache: borrowing KeyValueCache
    ) {
        guard let groups = session.step.groups(of: distant.groups) else { return }
        var first = tile.rows.lowerBound
        while first < tile.rows.upperBound {
            var end = first + 1
            while end < tile.rows.upperBound, groups.bases[end] == groups.bases[first] { end += 1 }
            if let sums = base(groups.bases[first], groups, head: tile.keyHead, cache: cache) {
                addDistant(distant, tile, first..<end, sums, merged, dimensions: cache.dimensions)
            }
            first = end
        }
    }

    /// The same for rows that start from the same sums.
    private func addDistant(
        _ distant: DistantOperands, _ tile: AttentionTile, _ rows: Range<Int>, _ sums: SumTable,
        _ merged: AttentionPartial,
        dimensions: Int
    ) {
        let scratch = session.scratch.attention(thread: thread)
        let (group, features) = (tile.group, distant.features)
        let firstQuery = (rows.lowerBound - tile.rows.lowerBound) * group
        let count = rows.count * group
        let queries =
            UnsafeRawPointer(scratch.queries).assumingMemoryBound(to: Float.self) + firstQuery * dimensions
        for head in 0..<group {
            let row = (tile.keyHead * group + head) * distant.mapRows
            map(
                distant.queryMap, rows: row..<row + distant.mapRows, queries + head * dimensions,
                stride: group * dimensions, count: rows.count, into: scratch.features + head * features,
                stride: group * features)
        }
        makeFeatures(distant, count: count, scratch)
        let far = scratch.segment(queries: tile.queries).outputs
        // Heads that share a table go through it together.
        let tables = distant.mapsPerHead
        let headsOfTable = group / tables
        var operands = lathe_weighted_values()
        operands.packing = LATHE_F32
        operands.dimensions = dimensions
        operands.count = features
        for table in 0..<tables {
            operands.values = UnsafeRawPointer(sums.rows + table * features * dimensions)
                .assumingMemoryBound(to: UInt8.self)
            operands.weights = UnsafePointer(scratch.features + table * headsOfTable * features)
            operands.weight_stride = features * (tables == 1 ? 1 : group)
            operands.queries = count / tables
            operands.output = far + table * headsOfTable * dimensions
            operands.output_stride = dimensions * (tables == 1 ? 1 : group)
            kernels.weigh_values(&operands)
        }
        for index in 0..<count {
            let head = index % group
            let weights = sums.weights + head / headsOfTable * features
            var mass: Float = 0
            for feature in 0..<features { mass += scratch.features[index * features + feature] * weights[feature] }
            let query = firstQuery + index
            let gate = distant.gate + (tile.keyHead * group + head) * (dimensions + 2)
            let weight = windowWeight(gate, largest: merged.largest[query], queries + index * dimensions, dimensions)
            merged.sums[query] = weight * merged.sums[query] + mass
            for place in query * dimensions..<(query + 1) * dimensions {
                merged.outputs[place] =
                    weight * merged.outputs[place] + far[place - firstQuery * dimensions]
            }
        }
    }

    /// What one query's window counts beside the sums.
    private func windowWeight(
        _ gate: UnsafePointer<Float>, largest: Float, _ query: UnsafePointer<Float>, _ dimensions: Int
    ) -> Float {
        var exponent = gate[0] + gate[1] * largest
        for dimension in 0..<dimensions { exponent += gate[2 + dimension] * query[dimension] }
        return lathe_exp(max(-DistantSums.mostExponent, min(DistantSums.mostExponent, exponent)))
    }

    /// Products of some rows of a map, whole tiles, with `count` vectors.
    func map(
        _ matrix: Engine.Matrix, rows: Range<Int>, _ input: UnsafePointer<Float>, stride: Int, count: Int,
        into output: UnsafeMutablePointer<Float>, stride outputStride: Int
    ) {
        guard count > 0 else { return }
        let tiles = rows.count / Packing.tileRows
        var product = lathe_product()
        product.weights = matrix.bytes + rows.lowerBound / Packing.tileRows * matrix.tileBytes
        product.outputs = rows.count
        product.columns = matrix.columns
        product.group = matrix.packing.groupColumns
        product.input = UnsafeRawPointer(input).assumingMemoryBound(to: UInt8.self)
        product.input_stride = stride * MemoryLayout<Float>.stride
        product.rows = count
        product.output = output
        product.output_stride = outputStride
        product.tile_begin = 0
        product.tile_end = tiles
        engine.product(of: matrix.packing)(&product)
    }

    /// Makes features of `count` products with a map, which are the first halves of the scratch's rows of features.
    func makeFeatures(_ distant: DistantOperands, count: Int, _ scratch: AttentionScratch) {
        let (half, stride) = (distant.mapRows, distant.features)
        for row in 0..<count {
            let values = scratch.features + row * stride
            for index in 0..<half { values[half + index] = -values[index] }
            (scratch.mapBegins[row], scratch.mapEnds[row]) = (0, UInt32(half))
        }
        for part in 0..<2 {
            let values = scratch.features + part * half
            kernels.softmax_segment(
                values, stride, count, half, scratch.mapBegins, scratch.mapEnds, scratch.mapLargest, scratch.mapSums)
            for row in 0..<count {
                for index in 0..<half { values[row * stride + index] /= scratch.mapSums[row] }
            }
        }
    }
}
