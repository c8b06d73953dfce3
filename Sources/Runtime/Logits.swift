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

    /// The token with the largest logit of a row, the lowest id among equals; nil where there is no such row.
    public func greedyToken(_ index: Int) -> UInt32? {
        guard let row = row(index) else { return nil }
        var best = 0
        for token in 1..<max(1, row.count) where row[token] > row[best] { best = token }
        return UInt32(best)
    }
}
