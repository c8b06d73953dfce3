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
        for (index, token) in tokens.enumerated() { withRow(index) { embedding.read(row: Int(token), into: $0) } }
    }

    deinit {
        values.deallocate()
    }

    /// Gives `body` the values of one token.
    func withRow<Result>(_ row: Int, _ body: (UnsafeMutableBufferPointer<Float>) -> Result) -> Result {
        withExtendedLifetime(self) {
            body(UnsafeMutableBufferPointer(rebasing: values[row * width..<(row + 1) * width]))
        }
    }

    /// Sets the values of one token.
    func set(_ row: Int, to source: UnsafeBufferPointer<Float>) {
        withRow(row) { _ = $0.update(fromContentsOf: source) }
    }

    /// The values of one token.
    subscript(row: Int) -> [Float] { withRow(row) { Array($0) } }
}
