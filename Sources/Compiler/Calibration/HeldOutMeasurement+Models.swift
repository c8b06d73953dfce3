import Models

extension HeldOutMeasurement {
    /// Every so many positions, predictions are compared.
    private static let stride = 2

    /// Compares a changed model with the original one, whose head and embedding it has.
    init(of changed: Model, beside original: Model, on tokens: CalibrationTokens) throws(CompileError) {
        self.init()
        let head = try HeadEvaluation(original)
        let (reference, states) = (
            try HiddenStates(behind: original, tokens), try HiddenStates(behind: changed, tokens)
        )
        for chunk in 0..<tokens.chunkCount {
            let rows = tokens.rows(of: chunk)
            try head.measure(
                states, against: reference, of: head, chunk: tokens.tokens[rows], rows: rows,
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
