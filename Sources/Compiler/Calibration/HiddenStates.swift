import Lowering
import Models
import Quantization
import Runtime

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

    /// As many rows, as wide; zeros.
    convenience init(like other: HiddenStates) {
        self.init(count: other.count, width: other.width)
    }

    /// The same values.
    convenience init(copying other: HiddenStates) {
        self.init(like: other)
        _ = values.update(fromContentsOf: other.values)
    }

    /// Some rows of others.
    convenience init(_ rows: Range<Int>, of other: HiddenStates) {
        self.init(count: rows.count, width: other.width)
        _ = values.update(fromContentsOf: other.values[rows.lowerBound * width..<rows.upperBound * width])
    }

    /// The rows of some tokens in an embedding, quantized.
    typealias EmbeddingPiece = (tokens: Range<Int>, matrix: QuantizedMatrix)

    /// What enters the first layer: a row of the embedding for each token, from the piece that has it where one does.
    convenience init(tokens: some Collection<UInt32>, embedding: Weight, replacing pieces: [EmbeddingPiece] = []) {
        self.init(count: tokens.count, width: embedding.columns)
        for (index, token) in tokens.enumerated() {
            let row = Int(token)
            withRow(index) { values in
                if let (range, matrix) = pieces.first(where: { $0.tokens.contains(row) }) {
                    matrix.values(row: row - range.lowerBound, into: values)
                } else {
                    embedding.read(row: row, into: values)
                }
            }
        }
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

    /// Sets some rows to all of another one's, which is as wide.
    func set(_ rows: Range<Int>, to other: HiddenStates) {
        for (index, row) in rows.enumerated() { other.withRow(index) { set(row, to: UnsafeBufferPointer($0)) } }
    }

    /// Sets the first rows to those of a buffer of the same width.
    func set(to buffer: ObservedBuffer) {
        for row in 0..<min(count, buffer.rowCount) {
            if let values = buffer.row(row) { set(row, to: values) }
        }
    }

    /// Gives `body` all rows, one behind the other.
    func withValues<Result, Failure: Error>(
        _ body: (UnsafeBufferPointer<Float>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(self) {} }
        return try body(UnsafeBufferPointer(values))
    }

    /// The values of one token.
    subscript(row: Int) -> [Float] { withRow(row) { Array($0) } }
}

extension HiddenStates {
    /// Takes all chunks through layers of a model, in place.
    func advance(
        through layers: Range<Int>, of model: Model, _ tokens: CalibrationTokens, precision: WeightPrecision = .f32,
        packed: [LayerTensor: PackedMatrix] = [:]
    ) throws(CompileError) {
        let evaluation = try SpanEvaluation(
            layers, of: model, precision: precision, packed: packed, chunkLength: tokens.chunkLength)
        for chunk in 0..<tokens.chunkCount {
            let rows = tokens.rows(of: chunk)
            try evaluation.run(self, rows: rows, into: self)
        }
    }
}

extension HiddenStates {
    /// What enters the first layer where the embedding is as a plan of `precision` has it.
    convenience init(
        embedding tokens: CalibrationTokens, of model: Model, precision: WeightPrecision
    ) throws(CompileError) {
        var layerless = model
        layerless.blocks = []
        layerless.head = model.embedding
        layerless.contextLength = tokens.chunkLength
        let program = try InMemoryProgram(layerless, precision: precision, choices: [:], rows: tokens.chunkLength)
        guard let hidden = program.names["hidden"] else { throw .calibration(.noRows) }
        let session = try program.session(cache: .float32)
        self.init(count: tokens.tokens.count, width: model.hiddenSize)
        for chunk in 0..<tokens.chunkCount {
            let range = tokens.rows(of: chunk)
            session.observer = { [self] seen in
                guard seen.index == hidden else { return }
                for (index, row) in range.enumerated() {
                    if let values = seen.row(index) { set(row, to: values) }
                }
            }
            defer { session.observer = nil }
            try attempt(CompileError.runtime) { () throws(RuntimeError) in
                session.reset()
                try session.evaluate(Row.chain(tokens.tokens[range], after: 0))
            }
        }
    }
}
