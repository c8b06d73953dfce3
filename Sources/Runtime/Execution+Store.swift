import Kernels
import Plans

extension Execution {
    /// Stores the keys and values of all rows: a unit of work is a tile of rows with one key head.
    @inline(never)
    func storeKeysAndValues(_ attention: AttentionOperands, cache: borrowing KeyValueCache) {
        let (count, heads) = (session.step.rows.count, cache.heads)
        let tiles = (count + Packing.tileRows - 1) / Packing.tileRows
        forEachUnit(of: tiles * heads) { unit in
            let first = unit / heads * Packing.tileRows
            let tile = AttentionTile(
                rows: first..<min(first + Packing.tileRows, count), keyHead: unit % heads,
                group: attention.queryHeads / heads)
            store(attention, tile.rows, tile, cache: cache)
        }
    }

    /// Writes the keys, where there are any, and values of some rows of a tile, at most 16.
    @inline(never)
    func store(
        _ attention: AttentionOperands, _ rows: Range<Int>, _ tile: AttentionTile, cache: borrowing KeyValueCache
    ) {
        guard !rows.isEmpty else { return }
        let dimensions = cache.dimensions
        let entries = session.step.committed + rows.lowerBound..<session.step.committed + rows.upperBound
        // Values come last in a row of the projection.
        var firstValue = tile.keyHead * dimensions
        if case .computed(let operands) = attention.weights {
            let firstKey = attention.queryHeads * dimensions
            storeKeys(operands, rows, tile, from: firstKey, entries: entries, cache: cache)
            firstValue += firstKey + cache.heads * dimensions
        }
        cache.storeValues(
            floats(attention.projected, row: rows.lowerBound) + firstValue,
            stride: engine.buffers[attention.projected.value].stride / 4, entries: entries, head: tile.keyHead,
            kernels: engine.kernels)
    }

    /// `firstKey` is the place of the first head's key in a row of the projection.
    @inline(never)
    private func storeKeys(
        _ operands: HeadOperands, _ rows: Range<Int>, _ tile: AttentionTile, from firstKey: Int, entries: Range<Int>,
        cache: borrowing KeyValueCache
    ) {
        let dimensions = cache.dimensions
        let rotated = session.scratch.attention(thread: thread).keys
        for row in rows {
            normalizeAndRotate(
                floats(operands.projected, row: row) + firstKey + tile.keyHead * dimensions,
                norm: operands.keyNorm, operands, row: row, dimensions,
                into: rotated + (row - rows.lowerBound) * dimensions)
        }
        cache.storeKeys(
            rotated, stride: dimensions, entries: entries, head: tile.keyHead, kernels: engine.kernels)
    }

    /// One query or key head on its way from the projection.
    @inline(never)
    func normalizeAndRotate(
        _ values: UnsafePointer<Float>, norm: UnsafePointer<Float>?, _ attention: HeadOperands, row: Int,
        _ dimensions: Int, into destination: UnsafeMutablePointer<Float>
    ) {
        if let norm {
            kernels.rms_norm(values, norm, dimensions, attention.epsilon, destination)
        } else {
            destination.update(from: values, count: dimensions)
        }
        let table = floats(attention.rotary, row: row)
        kernels.rotate(destination, dimensions / 2, table, table + dimensions / 2)
        guard attention.isUnit else { return }
        // RMSNorm leaves the square root of the dimensions as the length.
        kernels.rms_norm(destination, nil, dimensions, GroupedAttention.unitEpsilon, destination)
        let factor = 1 / Float(dimensions).squareRoot()
        for dimension in 0..<dimensions { destination[dimension] *= factor }
    }
}
