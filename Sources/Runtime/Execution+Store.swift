import Kernels
import Plans

/// The operands of one `attend`, its vectors found.
struct HeadOperands {
    let operands: SoftmaxAttention
    let queryNorm: UnsafePointer<Float>?
    let keyNorm: UnsafePointer<Float>?

    init(_ operands: SoftmaxAttention, engine: Engine) {
        self.operands = operands
        queryNorm = engine.vector(operands.queryNorm)
        keyNorm = engine.vector(operands.keyNorm)
    }
}

extension Execution {
    /// Stores the keys and values of all rows: a unit of work is a tile of rows with one key head.
    func storeKeysAndValues(_ attention: HeadOperands, cache: borrowing KeyValueCache) {
        let (count, heads) = (session.step.rows.count, cache.heads)
        let tiles = (count + Packing.tileRows - 1) / Packing.tileRows
        forEachUnit(of: tiles * heads) { unit in
            let first = unit / heads * Packing.tileRows
            let tile = AttentionTile(
                rows: first..<min(first + Packing.tileRows, count), keyHead: unit % heads,
                group: attention.operands.queryHeads / heads)
            store(attention, tile.rows, tile, cache: cache)
        }
    }

    /// Writes the keys and values of some rows of a tile, at most 16, to their slots.
    func store(
        _ attention: HeadOperands, _ rows: Range<Int>, _ tile: AttentionTile, cache: borrowing KeyValueCache
    ) {
        guard !rows.isEmpty else { return }
        let (dimensions, projected) = (cache.dimensions, attention.operands.projected)
        let slot = session.step.committed + rows.lowerBound
        let firstKey = cache.heads * tile.group * dimensions
        let rotated = session.scratch.attention(thread: thread).keys
        for row in rows {
            normalizeAndRotate(
                floats(projected, row: row) + firstKey + tile.keyHead * dimensions, norm: attention.keyNorm, attention,
                row: row, dimensions, into: rotated + (row - rows.lowerBound) * dimensions)
        }
        cache.storeKeys(
            rotated, stride: dimensions, count: rows.count, head: tile.keyHead, slot: slot, kernels: engine.kernels)
        let firstValue = firstKey + (cache.heads + tile.keyHead) * dimensions
        cache.storeValues(
            floats(projected, row: rows.lowerBound) + firstValue,
            stride: engine.buffers[projected.value].stride / 4, count: rows.count, head: tile.keyHead, slot: slot,
            kernels: engine.kernels)
    }

    /// One query or key head on its way from the projection.
    func normalizeAndRotate(
        _ values: UnsafePointer<Float>, norm: UnsafePointer<Float>?, _ attention: HeadOperands, row: Int,
        _ dimensions: Int, into destination: UnsafeMutablePointer<Float>
    ) {
        if let norm {
            kernels.rms_norm(values, norm, dimensions, attention.operands.epsilon, destination)
        } else {
            destination.update(from: values, count: dimensions)
        }
        let table = floats(attention.operands.rotary, row: row)
        kernels.rotate(destination, dimensions / 2, table, table + dimensions / 2)
    }
}
