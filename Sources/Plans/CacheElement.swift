import Kernels

/// Element type of a KV cache.
public enum CacheElement: UInt32, Sendable, Equatable, CaseIterable {
    case float16 = 0
    case float32 = 1
    /// 8-bit integers with a scale for every 32 dimensions, which must be a multiple of that.
    case int8 = 2

    /// How the keys of one head lie: a matrix of slots by dimensions.
    public var packing: Packing {
        switch self {
        case .float16: .float16
        case .float32: .float32
        case .int8: .integer(.int8Symmetric, group: .columns32)
        }
    }

    /// Whether a head may have this many dimensions.
    public func allows(dimensions: Int) -> Bool { lathe_value_bytes(packing.kernelPacking, dimensions) > 0 }

    /// Bytes that the keys or values of one head take for a number of slots, a multiple of 16 of them and rounded up to
    /// 64 bytes; nil where the element does not allow the dimensions, or a size overflows.
    public func headBytes(slots: Int, dimensions: Int) -> (keys: Int, values: Int)? {
        guard slots >= 0, dimensions > 0, slots <= Int.max - 15, dimensions <= Int.max / 8 else { return nil }
        let tiles = (slots + 15) / 16
        let valueBytes = Int(lathe_value_bytes(packing.kernelPacking, dimensions))
        guard valueBytes > 0, valueBytes <= Int.max / 16, let tileBytes = packing.tileBytes(columns: dimensions) else {
            return nil
        }
        let keys = tiles.multipliedReportingOverflow(by: tileBytes)
        let values = tiles.multipliedReportingOverflow(by: valueBytes * 16)
        guard !keys.overflow, !values.overflow, max(keys.partialValue, values.partialValue) <= Int.max - 63 else {
            return nil
        }
        return ((keys.partialValue + 63) / 64 * 64, (values.partialValue + 63) / 64 * 64)
    }

    /// Bytes of one head's key and of its value of one slot, without what rounding adds.
    func slotBytes(dimensions: Int) -> (key: Int, value: Int) {
        (
            (packing.tileBytes(columns: dimensions) ?? 0) / 16,
            Int(lathe_value_bytes(packing.kernelPacking, max(0, dimensions)))
        )
    }
}
