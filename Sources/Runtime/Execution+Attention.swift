import Kernels
import Plans

extension Execution {
    /// Work is cut into (row, key head) pairs, so that the query heads of one key head share a pass over its cache.
    func attend(
        projected: BufferIndex, state: StateIndex, queryHeads: Int, scale: Float, window: Int, output: BufferIndex
    ) {
        session.withCache(state) { cache in
            let group = queryHeads / cache.heads
            let width = cache.dimensions * group
            for unit in share(of: session.step.rows.count * cache.heads) {
                let (row, head) = (unit / cache.heads, unit % cache.heads)
                let attention = RowAttention(
                    row: row, keyHead: head, queryHeads: group, scale: scale, window: window,
                    queries: floats(projected, row: row) + head * width)
                writeSlice(output, row: row, head * width..<(head + 1) * width) {
                    run(attention, cache: cache, output: $0)
                }
            }
        }
    }

    /// The scores of all keys in path order, their softmax, and the weighted sum of values in the same order: the
    /// order, and so the bits, depend only on the row's path.
    private func run(
        _ attention: RowAttention, cache: borrowing KeyValueCache, output: UnsafeMutablePointer<Float>
    ) {
        let step = session.step
        let count = step.keyCount(row: attention.row)
        let first = attention.window > 0 ? max(0, count - attention.window) : 0
        let firstBlock = first & ~15
        let scores = session.scratch.scores(thread: thread)
        let stride = session.scratch.scoreStride
        let path = step.paths[attention.row]
        let lastSlot = path == nil ? count : step.committed + attention.row + 1
        score(attention, cache: cache, from: firstBlock, slots: lastSlot - firstBlock, scores: scores)

        var slots: UnsafePointer<UInt32>?
        if let path {
            let list = session.scratch.slots(thread: thread)
            for index in first..<count {
                let slot = index < step.committed ? index : step.committed + path[index - step.committed]
                list[index - first] = UInt32(slot)
                // Slots never lie before their index, so this gather does not overwrite what it still reads.
                for head in 0..<attention.queryHeads {
                    scores[head * stride + index - firstBlock] = scores[head * stride + slot - firstBlock]
                }
            }
            slots = UnsafePointer(list)
        }
        let visible = scores + (first - firstBlock)
        for head in 0..<attention.queryHeads { kernels.softmax(visible + head * stride, count - first) }
        let dimensions = cache.dimensions
        // With a list of slots the values begin at slot 0, without one at the first visible slot.
        let values = cache.values(head: attention.keyHead, from: slots == nil ? first : 0)
        switch cache.element {
        case .float16:
            kernels.values_f16(
                visible, stride, attention.queryHeads, values.assumingMemoryBound(to: UInt16.self), dimensions, slots,
                count - first, output, dimensions)
        case .float32:
            kernels.values_f32(
                visible, stride, attention.queryHeads, values.assumingMemoryBound(to: Float.self), dimensions, slots,
                count - first, output, dimensions)
        }
    }

    private func score(
        _ attention: RowAttention, cache: borrowing KeyValueCache, from slot: Int, slots: Int,
        scores: UnsafeMutablePointer<Float>
    ) {
        let keys = cache.keys(head: attention.keyHead, fromBlockOf: slot)
        let (stride, dimensions) = (session.scratch.scoreStride, cache.dimensions)
        switch cache.element {
        case .float16:
            kernels.scores_f16(
                attention.queries, dimensions, attention.queryHeads, keys.assumingMemoryBound(to: UInt16.self),
                dimensions, slots, attention.scale, scores, stride)
        case .float32:
            kernels.scores_f32(
                attention.queries, dimensions, attention.queryHeads, keys.assumingMemoryBound(to: Float.self),
                dimensions, slots, attention.scale, scores, stride)
        }
    }
}

/// One row's attention with the query heads of one key head.
private struct RowAttention {
    let row: Int
    let keyHead: Int
    let queryHeads: Int
    let scale: Float
    let window: Int
    /// `queryHeads` times the head dimensions.
    let queries: UnsafePointer<Float>
}
