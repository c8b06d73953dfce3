import Kernels
import Plans

/// RMSNorm of query and key heads, where a model has it.
struct HeadNorms {
    let query: UnsafePointer<Float>?
    let key: UnsafePointer<Float>?
    let epsilon: Float
}

extension Execution {
    /// Work is cut into (row, head) pairs: query heads first, then key heads, then value heads.
    func storeKeysAndValues(
        projected: BufferIndex, rotary: BufferIndex, state: StateIndex, queryHeads: Int, norms: HeadNorms
    ) {
        session.withCache(state) { cache in
            let dimensions = cache.dimensions
            let heads = queryHeads + 2 * cache.heads
            for unit in share(of: session.step.rows.count * heads) {
                let (row, head) = (unit / heads, unit % heads)
                let values = floats(projected, row: row) + head * dimensions
                let slot = session.step.committed + row
                if head < queryHeads {
                    normalizeAndRotate(values, norm: norms.query, norms.epsilon, rotary, row: row, dimensions)
                } else if head < queryHeads + cache.heads {
                    normalizeAndRotate(values, norm: norms.key, norms.epsilon, rotary, row: row, dimensions)
                    cache.storeKey(values, head: head - queryHeads, slot: slot, kernels: engine.kernels)
                } else {
                    cache.storeValue(values, head: head - queryHeads - cache.heads, slot: slot, kernels: engine.kernels)
                }
            }
        }
    }

    private func normalizeAndRotate(
        _ values: UnsafeMutablePointer<Float>, norm: UnsafePointer<Float>?, _ epsilon: Float, _ rotary: BufferIndex,
        row: Int, _ dimensions: Int
    ) {
        if let norm { kernels.rms_norm(values, norm, dimensions, epsilon, values) }
        let table = floats(rotary, row: row)
        kernels.rotate(values, dimensions / 2, table, table + dimensions / 2)
    }
}
