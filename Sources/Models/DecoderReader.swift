import Checkpoints

/// Maps a checkpoint of the common decoder shape to the IR; a family sets what differs.
struct DecoderReader {
    /// Where the attention projections have biases.
    enum ProjectionBiases {
        /// On Q, K, V and the output projection; a missing one is an error.
        case all
        /// On Q, K and V; a missing one is an error.
        case queryKeyValue
        /// Wherever the checkpoint holds one.
        case asStored
    }

    let checkpoint: Checkpoint
    let settings: Settings
    let layerCount: Int
    let hiddenSize: Int
    let feedForwardSize: Int
    let queryHeads: Int
    let keyHeads: Int
    let dimensions: Int
    let epsilon: Float
    var interleavesRotaryRows = false
    var projectionBiases = ProjectionBiases.asStored
    var feedForwardBiases = false
    var normalizesHeads = false
    var windows: [Int?] = []

    /// Reads and checks the sizes. Throws `badSetting` or `unsupported`.
    init(_ checkpoint: Checkpoint, _ settings: Settings) throws(ModelError) {
        self.checkpoint = checkpoint
        self.settings = settings
        try settings.require("hidden_act", is: ["silu"])
        layerCount = try settings.count(.init(huggingFace: "num_hidden_layers", gguf: "block_count"), in: 1...1024)
        hiddenSize = try settings.count(.init(huggingFace: "hidden_size", gguf: "embedding_length"), in: 1...1 << 20)
        feedForwardSize = try settings.count(
            .init(huggingFace: "intermediate_size", gguf: "feed_forward_length"), in: 1...1 << 22)
        queryHeads = try settings.count(
            .init(huggingFace: "num_attention_heads", gguf: "attention.head_count"), in: 1...4096)
        keyHeads = try settings.count(
            .init(huggingFace: "num_key_value_heads", gguf: "attention.head_count_kv"), in: 1...4096,
            default: queryHeads)
        guard queryHeads % keyHeads == 0 else {
            throw .badSetting("number of key heads", expected: "a divisor of \(queryHeads)", found: "\(keyHeads)")
        }
        let headKey = Settings.Key(huggingFace: "head_dim", gguf: "attention.key_length")
        if try settings.optionalInteger(headKey) == nil, hiddenSize % queryHeads != 0 {
            throw .badSetting("number of heads", expected: "a divisor of \(hiddenSize)", found: "\(queryHeads)")
        }
        dimensions = try settings.count(headKey, in: 2...4096, default: hiddenSize / queryHeads)
        guard dimensions % 2 == 0 else {
            throw .badSetting(settings.name(headKey), expected: "an even number", found: "\(dimensions)")
        }
        epsilon = Float(
            try settings.positive(.init(huggingFace: "rms_norm_eps", gguf: "attention.layer_norm_rms_epsilon")))
        windows = Array(repeating: nil, count: layerCount)
    }

    /// Maps every tensor. Throws `missingTensor`, `badShape`, `unexpectedTensor`, or what a setting has wrong.
    func model() throws(ModelError) -> Model {
        var used = UsedTensors(checkpoint: checkpoint)
        let names = TensorNames(isGGUF: settings.isGGUF)
        let embeddingName = names.embedding
        guard let vocabulary = try used.rowCount(embeddingName) else { throw .missingTensor(embeddingName) }
        try checkVocabulary(vocabulary)
        let embedding = try used.matrix(embeddingName, rows: vocabulary, columns: hiddenSize)
        let hasHead = try used.holds(names.head)
        let isTied = try settings.flag("tie_word_embeddings") ?? !hasHead
        let head = isTied ? embedding : try used.matrix(names.head, rows: vocabulary, columns: hiddenSize)
        if isTied { used.ignore(names.head) }
        let factors = try used.optionalVector(names.rotaryFactors, count: dimensions / 2)
        used.ignoreBuffers()
        let rotary = try Rotary(settings, dimensions: dimensions, factors: factors)
        var blocks: [Block] = []
        for layer in 0..<layerCount { blocks.append(try block(layer, names: names, used: &used)) }
        let contextLength = try settings.count(
            .init(huggingFace: "max_position_embeddings", gguf: "context_length"), in: 1...1 << 24)
        try linearize(&blocks, contextLength: contextLength, used: &used)
        let finalNorm = Norm(weight: try used.vector(names.finalNorm, count: hiddenSize), epsilon: epsilon)
        try used.requireNoneLeft()
        return Model(
            architecture: settings.architecture, vocabularySize: vocabulary, hiddenSize: hiddenSize,
            contextLength: contextLength, embedding: embedding, rotary: rotary, blocks: blocks, finalNorm: finalNorm,
            head: head)
    }

    /// Gives layers the attention that the checkpoint says they have instead of softmax (formats/linearized-layers.md).
    private func linearize(
        _ blocks: inout [Block], contextLength: Int, used: inout UsedTensors
    ) throws(ModelError) {
        let layers: LinearizedLayers
        do throws(CheckpointError) {
            layers = try LinearizedLayers(checkpoint)
        } catch {
            throw .checkpoint(error)
        }
        for name in layers.tensorNames { used.ignore(name) }
        for (layer, form) in layers.forms.sorted(by: { $0.key < $1.key }) {
            guard blocks.indices.contains(layer), case .attention(var attention) = blocks[layer].mixer,
                case .softmax(let scale, _) = attention.form
            else {
                throw .badSetting(
                    "layer of another attention", expected: "a layer below \(blocks.count)", found: "\(layer)")
            }
            do throws(LinearizedFormError) {
                try form.check(for: attention, layer: layer, contextLength: contextLength)
            } catch {
                throw .linearizedForm(error)
            }
            switch form {
            case .window(let window): attention.form = .softmax(scale: scale, window: window)
            case .grouped(let grouped): attention.form = .grouped(grouped)
            }
            blocks[layer].mixer = .attention(attention)
        }
    }

    private func checkVocabulary(_ vocabulary: Int) throws(ModelError) {
        let key = Settings.Key(huggingFace: "vocab_size", gguf: "vocab_size")
        guard let configured = try settings.optionalInteger(key), configured != vocabulary else { return }
        throw .badSetting(settings.name(key), expected: "the embedding's rows, \(vocabulary)", found: "\(configured)")
    }

    private func block(
        _ layer: Int, names: TensorNames, used: inout UsedTensors
    ) throws(ModelError) -> Block {
        let (queryRows, keyRows) = (queryHeads * dimensions, keyHeads * dimensions)
        func linear(
            _ part: TensorNames.Part, _ rows: Int, _ columns: Int, bias: Bool?, heads: Int = 0
        ) throws(ModelError) -> Linear {
            var weight = try used.matrix(names.weight(part, layer), rows: rows, columns: columns)
            let biasName = names.bias(part, layer)
            var biasWeight: Weight?
            switch bias {
            case true?: biasWeight = try used.vector(biasName, count: rows)
            case false?: biasWeight = nil
            case nil: biasWeight = try used.optionalVector(biasName, count: rows)
            }
            if heads > 0, interleavesRotaryRows {
                weight.transforms.append(.rowsFromInterleavedHeads(heads: heads))
                biasWeight?.transforms.append(.rowsFromInterleavedHeads(heads: heads))
            }
            return Linear(weight: weight, bias: biasWeight)
        }
        let (inputBias, outputBias): (Bool?, Bool?) =
            switch projectionBiases {
            case .all: (true, true)
            case .queryKeyValue: (true, false)
            case .asStored: (nil, nil)
            }
        func norm(_ part: TensorNames.Part, _ count: Int) throws(ModelError) -> Norm {
            Norm(weight: try used.vector(names.weight(part, layer), count: count), epsilon: epsilon)
        }
        let attention = Attention(
            queryHeads: queryHeads, keyHeads: keyHeads, dimensions: dimensions,
            query: try linear(.query, queryRows, hiddenSize, bias: inputBias, heads: queryHeads),
            key: try linear(.key, keyRows, hiddenSize, bias: inputBias, heads: keyHeads),
            value: try linear(.value, keyRows, hiddenSize, bias: inputBias),
            output: try linear(.attentionOutput, hiddenSize, queryRows, bias: outputBias),
            queryNorm: normalizesHeads ? try norm(.queryNorm, dimensions) : nil,
            keyNorm: normalizesHeads ? try norm(.keyNorm, dimensions) : nil,
            form: .softmax(
                scale: 1 / Float(dimensions).squareRoot(), window: windows[layer].map { AttentionWindow(length: $0) }))
        let bias: Bool? = settings.isGGUF ? nil : feedForwardBiases
        return Block(
            mixerNorm: try norm(.mixerNorm, hiddenSize), mixer: .attention(attention),
            feedForwardNorm: try norm(.feedForwardNorm, hiddenSize),
            feedForward: .gated(
                gate: try linear(.gate, feedForwardSize, hiddenSize, bias: bias),
                up: try linear(.up, feedForwardSize, hiddenSize, bias: bias),
                down: try linear(.down, hiddenSize, feedForwardSize, bias: bias)))
    }
}
