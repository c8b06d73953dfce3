/// A view of the head's result, valid until the session's next step.
public struct Logits {
    let base: UnsafeMutablePointer<Float>
    let stride: Int
    public let rowCount: Int
    public let vocabularySize: Int

    /// The logits of the i-th row that was asked for; nil where there is none.
    public func row(_ index: Int) -> UnsafeBufferPointer<Float>? {
        guard (0..<rowCount).contains(index) else { return nil }
        return UnsafeBufferPointer(start: base + index * stride, count: vocabularySize)
    }
}
