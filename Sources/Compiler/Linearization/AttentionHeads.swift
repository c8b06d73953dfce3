import Foundation
import Lowering
import Models
import Plans
import Runtime

/// What the heads of one attention work with in a chunk, and what softmax over everything gives them: rows of `dimensions`
/// values, position after position.
struct AttentionHeads {
    let queryHeads: Int
    let keyHeads: Int
    let dimensions: Int
    let positions: Int
    /// Factor of the products of queries and keys.
    let scale: Float
    /// Rotated, by query head.
    var queries: [[Float]]
    /// Rotated, by key head.
    var keys: [[Float]]
    /// By key head.
    var values: [[Float]]
    /// What softmax returns, by query head.
    var targets: [[Float]]

    /// Query heads that share a key head.
    var group: Int { queryHeads / keyHeads }
}

/// The attention of one layer by itself, which sees everything.
final class HeadCapture {
    private let session: Session
    private let attention: Attention
    private let scale: Float
    private let rotary: Rotary
    private let buffers: (projected: BufferIndex, mixed: BufferIndex)

    /// The layer's mixer must be softmax attention. Throws `noRows` for another one.
    init(_ layer: Int, of model: Model, chunkLength: Int) throws(CompileError) {
        guard case .attention(let attention) = model.blocks[layer].mixer,
            case .softmax(let scale, _) = attention.form
        else { throw .calibration(.noRows) }
        (self.attention, self.scale) = (attention, scale)
        rotary = model.rotary
        var part = Model(vectorsOf: model, contextLength: chunkLength)
        part.blocks = [model.blocks[layer]]
        let program = try InMemoryProgram(part, choices: try MatrixChoice.zeroRow(for: part), rows: chunkLength)
        guard let projected = program.names["layers.0.attention.projected"],
            let mixed = program.names[LayerMatrix.attentionOutput.inputName(layer: 0)]
        else { throw .calibration(.noRows) }
        buffers = (projected, mixed)
        session = try program.session(cache: .float32)
        session.lastBuffer = mixed
    }

    /// The heads of the chunk that rows `range` of `states` are, as one sequence from its beginning.
    func heads(_ states: HiddenStates, rows range: Range<Int>) throws(CompileError) -> AttentionHeads {
        let (dimensions, count) = (attention.dimensions, range.count)
        func zeros(_ heads: Int) -> [[Float]] {
            Array(repeating: [Float](repeating: 0, count: count * dimensions), count: heads)
        }
        var heads = AttentionHeads(
            queryHeads: attention.queryHeads, keyHeads: attention.keyHeads, dimensions: dimensions, positions: count,
            scale: scale, queries: zeros(attention.queryHeads), keys: zeros(attention.keyHeads),
            values: zeros(attention.keyHeads),
            targets: zeros(attention.queryHeads))
        session.observer = { [buffers] seen in
            for row in 0..<min(count, seen.rowCount) {
                guard let values = seen.row(row) else { continue }
                func copy(_ first: Int, to part: inout [[Float]]) {
                    for head in part.indices {
                        let start = (first + head) * dimensions
                        part[head].replaceSubrange(
                            row * dimensions..<(row + 1) * dimensions, with: values[start..<start + dimensions])
                    }
                }
                if seen.index == buffers.projected {
                    copy(0, to: &heads.queries)
                    copy(heads.queryHeads, to: &heads.keys)
                    copy(heads.queryHeads + heads.keyHeads, to: &heads.values)
                } else if seen.index == buffers.mixed {
                    copy(0, to: &heads.targets)
                }
            }
        }
        defer { session.observer = nil }
        try session.runThrough(states, rows: range)
        let norms = (attention.queryNorm?.values, attention.keyNorm?.values)
        let epsilon = attention.queryNorm?.epsilon ?? 0
        for head in heads.queries.indices { finish(&heads.queries[head], norm: norms.0, epsilon: epsilon) }
        for head in heads.keys.indices { finish(&heads.keys[head], norm: norms.1, epsilon: epsilon) }
        return heads
    }

    /// Normalizes and rotates the rows of one head.
    private func finish(_ rows: inout [Float], norm: [Float]?, epsilon: Float) {
        let dimensions = attention.dimensions
        let half = dimensions / 2
        for position in 0..<rows.count / dimensions {
            let start = position * dimensions
            if let norm {
                let energy = rows[start..<start + dimensions].reduce(0) { $0 + $1 * $1 }
                let factor = 1 / (energy / Float(dimensions) + epsilon).squareRoot()
                for index in 0..<dimensions { rows[start + index] *= factor * norm[index] }
            }
            for index in 0..<min(half, rotary.frequencies.count) {
                let angle = Double(position) * Double(rotary.frequencies[index])
                let cosine = Float(cos(angle)) * rotary.factor
                let sine = Float(sin(angle)) * rotary.factor
                let (first, second) = (rows[start + index], rows[start + index + half])
                rows[start + index] = first * cosine - second * sine
                rows[start + index + half] = second * cosine + first * sine
            }
        }
    }
}
