import Runtime

/// What stands in the place of a token that is not known yet.
public enum MaskSource {
    /// A token that the model was trained with for it (SPACE, Yi et al. 2024).
    case token(UInt32)
    /// The mean of what came before, for a model that was not trained for it.
    case mean(MeanEmbedding)
    /// The plan's own masks (`Engine.maskCount` places).
    case trained(places: Int)

    /// Whether the model knows what masks are.
    var isTrained: Bool {
        if case .mean = self { false } else { true }
    }
}

/// The mean embedding of a prompt's tokens, drawn towards each token that follows.
public struct MeanEmbedding {
    private let engine: Engine
    public private(set) var values: [Float] = []
    private var count = 0

    /// What a token that follows the prompt counts.
    private static let step: Float = 0.1

    public init(engine: Engine) {
        self.engine = engine
    }

    mutating func append(_ token: UInt32, isPrompt: Bool) {
        guard let embedding = engine.embedding(of: token) else { return }
        count += 1
        guard values.count == embedding.count else {
            values = embedding
            return
        }
        let step = isPrompt ? 1 / Float(count) : MeanEmbedding.step
        for index in values.indices { values[index] += step * (embedding[index] - values[index]) }
    }
}
