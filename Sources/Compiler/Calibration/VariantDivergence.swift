import Models

/// How far the predictions of variants of a model are from those of the original, on calibration text.
///
/// Variants are as a base model up to some layer, whose hidden states are kept: the layers from there on run alone.
final class VariantDivergence {
    /// Tokens of the chunks that predictions are compared on, at the most.
    private static let mostTokens = 2048
    /// Predictions that are compared.
    private static let comparedRows = 256

    private let tokens: CalibrationTokens
    private let head: HeadEvaluation
    private let rows: [Int]
    private let expected: [Prediction]
    /// Hidden states before each layer of the base; nil between a donor and its receivers.
    private var states: [HiddenStates?] = []

    /// The base is `original` itself, or another model.
    init(from original: Model, base: Model? = nil, tokens: CalibrationTokens) throws(CompileError) {
        self.tokens = tokens.prefix(max(1, VariantDivergence.mostTokens / tokens.chunkLength))
        let count = self.tokens.tokens.count
        rows = Array(
            stride(from: min(8, count - 1), to: count, by: max(1, count / VariantDivergence.comparedRows)))
        head = try HeadEvaluation(original)
        let start = HiddenStates(tokens: self.tokens.tokens, embedding: original.embedding)
        states = try VariantDivergence.states(of: original, from: 0, start, self.tokens)
        guard let last = states.last, let last else { throw .calibration(.noRows) }
        expected = try head.distributions(of: rows, in: last)
        if let base { states = try VariantDivergence.states(of: base, from: 0, start, self.tokens) }
    }

    /// Whether variants can begin with a layer: it uses no other one's attention weights.
    func canBegin(with layer: Int) -> Bool { states[layer] != nil }

    /// The mean divergence of a model that is as the base before layer `first`, or behind all of them, in nats.
    func divergence(of model: Model, from first: Int) throws(CompileError) -> Double {
        try head.divergence(of: rows, in: try hidden(behind: model, from: first), from: expected)
    }

    /// The share of predictions whose most likely token is the original's, of such a model.
    func agreement(of model: Model, from first: Int) throws(CompileError) -> Double {
        try head.agreement(of: rows, in: try hidden(behind: model, from: first), with: expected)
    }

    private func hidden(behind model: Model, from first: Int) throws(CompileError) -> HiddenStates {
        guard let start = states[first] else { throw .calibration(.noRows) }
        let behind = HiddenStates(copying: start)
        for layers in model.evaluationSpans where layers.lowerBound >= first {
            try behind.advance(through: layers, of: model, tokens)
        }
        return behind
    }

    /// Takes a model as the base that is as the one so far before layer `first`.
    func move(to base: Model, from first: Int) throws(CompileError) {
        guard let start = states[first] else { throw .calibration(.noRows) }
        states[first...] = try VariantDivergence.states(of: base, from: first, start, tokens)[...]
    }

    /// Hidden states before each layer from `first` on, and behind the last one.
    private static func states(
        of model: Model, from first: Int, _ start: HiddenStates, _ tokens: CalibrationTokens
    ) throws(CompileError) -> [HiddenStates?] {
        var result: [HiddenStates?] = [start]
        var current = start
        for span in model.evaluationSpans where span.lowerBound >= first {
            let next = HiddenStates(copying: current)
            try next.advance(through: span, of: model, tokens)
            result += Array(repeating: nil, count: span.count - 1) + [next]
            current = next
        }
        return result
    }
}
