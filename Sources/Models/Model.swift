/// A language model as passes see it: a value whose weights are still in the checkpoint.
public struct Model: Sendable {
    /// The checkpoint's own name for its architecture.
    public var architecture: String
    public var vocabularySize: Int
    public var hiddenSize: Int
    /// Positions that the model was trained for.
    public var contextLength: Int
    /// `vocabularySize` x `hiddenSize`.
    public var embedding: Weight
    public var rotary: Rotary
    public var blocks: [Block]
    public var finalNorm: Norm
    /// `vocabularySize` x `hiddenSize`; the embedding itself where the two are tied.
    public var head: Weight
    /// What enters the first layer in the places of tokens that are not known yet, a row for each place of a group of masks;
    /// nil where the model knows no masks of its own.
    public var maskEmbedding: Weight?

    public init(
        architecture: String, vocabularySize: Int, hiddenSize: Int, contextLength: Int, embedding: Weight,
        rotary: Rotary, blocks: [Block], finalNorm: Norm, head: Weight
    ) {
        self.architecture = architecture
        self.vocabularySize = vocabularySize
        self.hiddenSize = hiddenSize
        self.contextLength = contextLength
        self.embedding = embedding
        self.rotary = rotary
        self.blocks = blocks
        self.finalNorm = finalNorm
        self.head = head
    }
}

/// One layer: a mixer and a feed-forward, each behind its norm and beside the residual stream.
public struct Block: Sendable {
    public var mixerNorm: Norm
    public var mixer: Mixer
    public var feedForwardNorm: Norm
    public var feedForward: FeedForward

    public init(mixerNorm: Norm, mixer: Mixer, feedForwardNorm: Norm, feedForward: FeedForward) {
        self.mixerNorm = mixerNorm
        self.mixer = mixer
        self.feedForwardNorm = feedForwardNorm
        self.feedForward = feedForward
    }
}

/// How a layer mixes positions.
public enum Mixer: Sendable {
    case attention(Attention)
    case sharedAttention(SharedAttention)
}

/// Attention with queries, keys and values of its own, in grouped-query heads.
public struct Attention: Sendable {
    /// What becomes of queries and keys.
    public enum Form: Sendable, Hashable {
        /// The softmax of their products times `scale`, over a window, or over every position up to a row's own.
        case softmax(scale: Float, window: AttentionWindow?)
        case grouped(GroupedAttention)
    }

    public var queryHeads: Int
    public var keyHeads: Int
    /// Values a head.
    public var dimensions: Int
    public var query: Linear
    public var key: Linear
    public var value: Linear
    public var output: Linear
    /// RMSNorm of each query head and key head before the rotation (Qwen3).
    public var queryNorm: Norm?
    public var keyNorm: Norm?
    public var form: Form

    public init(
        queryHeads: Int, keyHeads: Int, dimensions: Int, query: Linear, key: Linear, value: Linear, output: Linear,
        queryNorm: Norm?, keyNorm: Norm?, form: Form
    ) {
        self.queryHeads = queryHeads
        self.keyHeads = keyHeads
        self.dimensions = dimensions
        self.query = query
        self.key = key
        self.value = value
        self.output = output
        self.queryNorm = queryNorm
        self.keyNorm = keyNorm
        self.form = form
    }

    /// The window of a softmax; nil where a row sees every position up to its own, and for other forms.
    public var window: AttentionWindow? {
        if case .softmax(_, let window) = form { window } else { nil }
    }

    /// Whether there are weights that other layers could use, and nothing besides.
    public var hasWeights: Bool {
        if case .softmax(_, let window) = form { window?.distant == nil } else { false }
    }
}

/// Grouped linear attention with a causal convolution (You et al. 2024, in the released form): queries and keys of length 1,
/// max(0, q·k)² within a group of positions, `alpha` times the sum over the groups before, and taps on the last values.
public struct GroupedAttention: Sendable, Hashable {
    /// Positions of a group.
    public var group: Int
    public var alpha: Float
    /// For each query head the factors of the last values, that of the row's own last: equally many, or none.
    public var taps: [[Float]]

    public init(group: Int, alpha: Float, taps: [[Float]] = []) {
        self.group = group
        self.alpha = alpha
        self.taps = taps
    }
}

/// Attention with the weights of an earlier layer, its donor: it has neither queries nor keys.
public struct SharedAttention: Sendable {
    /// The layer whose weights are used: the last one before this that computes any.
    public var donor: Int
    /// For each query head the donor's query head whose weights it uses; several may use one.
    public var headMap: [Int]
    /// Heads of values, each used by as many query heads.
    public var keyHeads: Int
    /// Values a head.
    public var dimensions: Int
    public var value: Linear
    public var output: Linear

    public init(donor: Int, headMap: [Int], keyHeads: Int, dimensions: Int, value: Linear, output: Linear) {
        self.donor = donor
        self.headMap = headMap
        self.keyHeads = keyHeads
        self.dimensions = dimensions
        self.value = value
        self.output = output
    }

    public var queryHeads: Int { headMap.count }
}

/// How a layer treats each position by itself.
public enum FeedForward: Sendable {
    /// down(silu(gate(x)) * up(x)).
    case gated(gate: Linear, up: Linear, down: Linear)
}

/// y = W x, plus a bias where there is one.
public struct Linear: Sendable {
    public var weight: Weight
    /// One value an output.
    public var bias: Weight?
    /// What is added to W where the row is a mask.
    public var maskChange: MaskChange?

    public init(weight: Weight, bias: Weight? = nil) {
        self.weight = weight
        self.bias = bias
    }
}

/// A matrix of low rank, B A, that acts on rows of masks alone.
public struct MaskChange: Sendable {
    /// A: rank x inputs.
    public var down: Weight
    /// B: outputs x rank.
    public var up: Weight

    public init(down: Weight, up: Weight) {
        self.down = down
        self.up = up
    }
}

/// RMSNorm.
public struct Norm: Sendable {
    /// One value a column; nil once a pass has folded it away.
    public var weight: Weight?
    /// What the weight is multiplied by, one value a column; nil for ones.
    public var factors: [Float]?
    public var epsilon: Float

    public init(weight: Weight?, epsilon: Float) {
        self.weight = weight
        self.epsilon = epsilon
    }

    /// What each column is multiplied by; nil for ones.
    public var values: [Float]? {
        guard let values = weight?.values() else { return factors }
        guard let factors else { return values }
        return zip(values, factors).map(*)
    }
}

/// The rotary position embedding, as frequencies: scalings of RoPE are worked out when the model is read.
public struct Rotary: Sendable {
    /// Radians a position, one for each pair of dimensions.
    public var frequencies: [Float]
    /// What cosines and sines are multiplied by (YaRN's attention factor); 1 otherwise.
    public var factor: Float

    public init(frequencies: [Float], factor: Float) {
        self.frequencies = frequencies
        self.factor = factor
    }
}
