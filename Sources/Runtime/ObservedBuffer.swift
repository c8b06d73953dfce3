import Plans

/// What a buffer of floats holds after one instruction of a step.
public struct ObservedBuffer {
    public let index: BufferIndex
    public let rowCount: Int
    /// Values in a row.
    public let width: Int
    /// Floats from one row to the next.
    public let stride: Int
    /// All rows, `stride` apart; the last one ends the buffer.
    public let values: UnsafeBufferPointer<Float>

    /// The values of one row; nil where there is no such row.
    public func row(_ index: Int) -> UnsafeBufferPointer<Float>? {
        guard (0..<rowCount).contains(index) else { return nil }
        return UnsafeBufferPointer(rebasing: values[index * stride..<index * stride + width])
    }
}
