import Lowering
import Models
import Plans
import Runtime

/// The attention weights of one layer for some rows of a chunk.
struct AttentionRows {
    let heads: Int
    /// Of the chunk.
    let rows: [Int]
    /// From one row to the next: the positions of the chunk.
    let positions: Int
    /// Head after head, row after row; 0 for what a row does not see.
    fileprivate(set) var values: [Float]

    /// Gives `body` the weights of one row.
    func withRow<Result>(head: Int, index: Int, _ body: (UnsafeBufferPointer<Float>) -> Result) -> Result {
        let start = (head * rows.count + index) * positions
        return values.withUnsafeBufferPointer { body(UnsafeBufferPointer(rebasing: $0[start..<start + positions])) }
    }
}

/// The attention of one layer by itself: what it makes of hidden states before the layer.
final class AttentionCapture {
    private let session: Session
    private let heads: Int
    private let mixed: BufferIndex

    /// The layer's mixer must be softmax attention. Throws `withoutWeights` for another one.
    init(_ layer: Int, of model: Model, chunkLength: Int) throws(CompileError) {
        guard case .attention(let attention) = model.blocks[layer].mixer, attention.hasWeights else {
            throw .sharing(.withoutWeights(layer: layer))
        }
        heads = attention.queryHeads
        var pair = Model(vectorsOf: model, contextLength: chunkLength)
        // Weights are kept where another layer uses them. This one stands for it and does not run.
        var user = model.blocks[layer]
        user.mixer = .sharedAttention(
            SharedAttention(
                donor: 0, headMap: Array(0..<heads), keyHeads: attention.keyHeads, dimensions: attention.dimensions,
                value: attention.value, output: attention.output))
        pair.blocks = [model.blocks[layer], user]
        let program = try InMemoryProgram(pair, choices: try MatrixChoice.zeroRow(for: pair), rows: chunkLength)
        guard let mixed = program.names[LayerMatrix.attentionOutput.inputName(layer: 0)] else {
            throw .calibration(.noRows)
        }
        self.mixed = mixed
        session = try program.session(cache: .float32)
        session.lastBuffer = mixed
    }

    /// The weights of `rows` of the chunk that rows `range` of `states` are, as one sequence from its beginning.
    func weights(of rows: [Int], in states: HiddenStates, chunk range: Range<Int>) throws(CompileError) -> AttentionRows
    {
        var result = AttentionRows(
            heads: heads, rows: rows, positions: range.count,
            values: [Float](repeating: 0, count: heads * rows.count * range.count))
        try session.runThrough(states, rows: range)
        for head in 0..<heads {
            for (index, row) in rows.enumerated() {
                guard let weights = session.keptWeights(row: row, head: head) else { continue }
                let start = (head * rows.count + index) * range.count
                result.values.replaceSubrange(start..<start + weights.count, with: weights)
            }
        }
        return result
    }
}
