import Models

extension HeldOutMeasurement {
    /// Every so many positions, predictions are compared.
    private static let stride = 2

    /// Compares what `head` predicts from `states` with what `other` predicts from `reference`, both hidden states behind
    /// the last layer for all of `tokens`.
    init(
        of states: HiddenStates, by head: HeadEvaluation, beside reference: HiddenStates, by other: HeadEvaluation,
        on tokens: CalibrationTokens
    ) throws(CompileError) {
        self.init()
        for chunk in 0..<tokens.chunkCount {
            let rows = tokens.rows(of: chunk)
            try head.measure(
                states, against: reference, of: other, chunk: tokens.tokens[rows], rows: rows,
                stride: HeldOutMeasurement.stride, into: &self)
        }
    }
}

extension HiddenStates {
    /// What comes out of the last layer of a model.
    convenience init(behind model: Model, _ tokens: CalibrationTokens) throws(CompileError) {
        self.init(tokens: tokens.tokens, embedding: model.embedding)
        for span in model.evaluationSpans { try advance(through: span, of: model, tokens) }
    }
}
