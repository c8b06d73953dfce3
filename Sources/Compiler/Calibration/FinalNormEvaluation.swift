import Lowering
import Models
import Plans
import Quantization
import Runtime

/// The final norm of a model as a program of its own: what the head reads.
final class FinalNormEvaluation {
    private let session: Session
    private let normalized: BufferIndex

    init(_ model: Model, chunkLength: Int) throws(CompileError) {
        var headless = Model(vectorsOf: model, contextLength: chunkLength)
        headless.finalNorm = model.finalNorm
        let program = try InMemoryProgram(
            headless, choices: try MatrixChoice.zeroRow(for: headless), rows: chunkLength)
        guard let normalized = program.names["head.normalized"] else { throw .calibration(.noRows) }
        self.normalized = normalized
        session = try program.session(cache: .float32)
    }

    /// What the head reads for rows `range` of `states`, at most the chunk's length.
    func run(_ states: HiddenStates, rows range: Range<Int>) throws(CompileError) -> HiddenStates {
        let result = HiddenStates(count: range.count, width: states.width)
        session.observer = { [normalized] seen in
            if seen.index == normalized { result.set(to: seen) }
        }
        defer { session.observer = nil }
        try session.runThrough(states, rows: range)
        _ = try attempt(CompileError.runtime) { () throws(RuntimeError) in
            try session.logits(of: Array(0..<range.count))
        }
        return result
    }
}

extension FinalNormEvaluation {
    /// Second moments of what a model's head reads, from the hidden states behind its last layer.
    static func moments(
        of model: Model, _ states: HiddenStates, chunkLength: Int
    ) throws(CompileError) -> InputMoments {
        let norm = try FinalNormEvaluation(model, chunkLength: chunkLength)
        let moments = try attempt(CompileError.quantization) { () throws(QuantizationError) in
            try InputMoments(width: model.hiddenSize)
        }
        for first in stride(from: 0, to: states.count, by: chunkLength) {
            let inputs = try norm.run(states, rows: first..<min(first + chunkLength, states.count))
            try attempt(CompileError.quantization) { () throws(QuantizationError) in
                try inputs.withValues { values throws(QuantizationError) in
                    try moments.add(values, count: inputs.count, stride: inputs.width)
                }
            }
        }
        return moments
    }
}

extension Model {
    /// A model without layers whose rows come as vectors, so that a table of one entry stands for embedding and head.
    init(vectorsOf model: Model, contextLength: Int) {
        self = model
        blocks = []
        vocabularySize = 1
        self.contextLength = contextLength
        head = embedding
        finalNorm = Norm(weight: nil, epsilon: model.finalNorm.epsilon)
    }
}

extension MatrixChoice {
    /// A row of zeros in the place of a model's embedding and head.
    static func zeroRow(for model: Model) throws(CompileError) -> [String: MatrixChoice] {
        guard let count = Packing.float32.matrixBytes(rows: 1, columns: model.hiddenSize),
            let row = PackedMatrix(
                packing: .float32, rows: 1, columns: model.hiddenSize, bytes: [UInt8](repeating: 0, count: count))
        else { throw .calibration(.noRows) }
        return [model.embedding.name: .packed(row)]
    }
}
