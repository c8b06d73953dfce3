import Plans

/// What a buffer holds after one instruction of a step.
public struct ObservedBuffer {
    public let index: BufferIndex
    let isQuantized: Bool
    let base: UnsafeRawPointer
    public let rowCount: Int
    /// Values in a row.
    public let width: Int
    /// Bytes from one row to the next.
    let stride: Int

    /// The values of one row; nil where there is no such row or the buffer is quantized.
    public func row(_ index: Int) -> UnsafeBufferPointer<Float>? {
        guard !isQuantized, (0..<rowCount).contains(index) else { return nil }
        return UnsafeBufferPointer(
            start: (base + index * stride).assumingMemoryBound(to: Float.self), count: width)
    }
}
