import Models

/// The residual stream of calibration tokens between two layers: `count` rows of `width` floats.
final class HiddenStates {
    let count: Int
    let width: Int
    private let values: UnsafeMutableBufferPointer<Float>

    init(count: Int, width: Int) {
        self.count = count
        self.width = width
        values = .allocate(capacity: count * width)
        values.initialize(repeating: 0)
    }

    /// What enters the first layer: a row of the embedding for each token.
    convenience init(tokens: some Collection<UInt32>, embedding: Weight) {
        self.init(count: tokens.count, width: embedding.columns)
        for (index, token) in tokens.enumerated() { embedding.read(row: Int(token), into: self[index]) }
    }

    deinit {
        values.deallocate()
    }

    /// The values of one token.
    subscript(row: Int) -> UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(rebasing: values[row * width..<(row + 1) * width])
    }
}
