import Models
import Plans

/// Hidden states of the text that is kept to measure with before a layer, in the original model and in the quantized one.
final class PairedStates {
    let tokens: CalibrationTokens
    private(set) var original: HiddenStates
    private(set) var quantized: HiddenStates

    /// Before the first layer; `pieces` are those of the embedding that are quantized.
    init(
        _ tokens: CalibrationTokens, of model: Model, quantizedEmbedding pieces: [HiddenStates.EmbeddingPiece]
    ) {
        self.tokens = tokens
        original = HiddenStates(tokens: tokens.tokens, embedding: model.embedding)
        quantized = HiddenStates(tokens: tokens.tokens, embedding: model.embedding, replacing: pieces)
    }

    /// Runs all chunks through the same layers of both models.
    func advance(original layers: SpanEvaluation, quantized quantizedLayers: SpanEvaluation) throws(CompileError) {
        let next = (HiddenStates(like: original), HiddenStates(like: quantized))
        for chunk in 0..<tokens.chunkCount {
            try layers.run(original, rows: tokens.rows(of: chunk), into: next.0)
            try quantizedLayers.run(quantized, rows: tokens.rows(of: chunk), into: next.1)
        }
        (original, quantized) = next
    }
}
