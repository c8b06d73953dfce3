import Checkpoints
import Models

/// What a checkpoint holds, put together for people: the value that text and JSON are made from.
public struct CheckpointDescription: Sendable {
    public let path: String
    /// The file format with its version.
    public let format: String
    /// Metadata in the file's order: GGUF's keys, or the JSON files of a directory by their name.
    public let metadata: [(key: String, value: JSON)]
    public let tensors: [TensorListing]
    /// Sizes of the model as it was understood, or why it cannot be compiled.
    public let model: Result<[(key: String, value: JSON)], ModelError>

    /// Reads the metadata; weights are not touched.
    public init(_ checkpoint: Checkpoint) {
        path = checkpoint.path
        tensors = checkpoint.listing
        switch checkpoint.metadata {
        case .gguf(let metadata):
            format = "GGUF version \(metadata.version)"
            self.metadata = metadata.keys.map { ($0, metadata[$0].map(JSON.init) ?? .null) }
        case .huggingFace(let files):
            format = "Hugging Face safetensors"
            let members: [(key: String, value: JSON?)] = [
                ("config.json", files.config), ("generation_config.json", files.generationConfig),
                ("tokenizer_config.json", files.tokenizerConfig),
                ("chat_template.jinja", files.chatTemplate.map(JSON.string)),
            ]
            metadata = members.compactMap { key, value in value.map { (key, $0) } }
        }
        do throws(ModelError) {
            model = .success(CheckpointDescription.sizes(of: try Model(checkpoint)))
        } catch {
            model = .failure(error)
        }
    }

    var byteCount: Int { tensors.reduce(0) { $0 + $1.byteCount } }

    /// Elements of all tensors; the shapes of a file were checked to fit.
    var elementCount: Int { tensors.reduce(0) { $0 + $1.shape.reduce(1, *) } }

    private static func sizes(of model: Model) -> [(key: String, value: JSON)] {
        var sizes: [(key: String, value: JSON)] = [
            ("architecture", .string(model.architecture)), ("layers", .count(model.blocks.count)),
            ("hidden_size", .count(model.hiddenSize)), ("vocabulary_size", .count(model.vocabularySize)),
            ("context_length", .count(model.contextLength)),
            ("tied_head", .boolean(model.head.name == model.embedding.name)),
        ]
        guard let block = model.blocks.first else { return sizes }
        switch block.mixer {
        case .attention(let attention):
            sizes += [
                ("query_heads", .count(attention.queryHeads)), ("key_heads", .count(attention.keyHeads)),
                ("head_dimensions", .count(attention.dimensions)),
                ("head_norms", .boolean(attention.queryNorm != nil)),
                ("projection_biases", .boolean(attention.query.bias != nil)),
                ("windows", .array(windows(of: model))),
            ]
        case .sharedAttention: break
        }
        switch block.feedForward {
        case .gated(let gate, _, _): sizes.append(("feed_forward_size", .count(gate.weight.rows)))
        }
        sizes.append(("norm_epsilon", .number(Double(model.finalNorm.epsilon))))
        return sizes
    }

    /// The attention windows that occur, each once; null stands for layers that see everything.
    private static func windows(of model: Model) -> [JSON] {
        var windows: [JSON] = []
        for block in model.blocks {
            switch block.mixer {
            case .attention(let attention):
                guard attention.hasWeights else { break }
                let window = attention.window.map { JSON.count($0.length) } ?? .null
                if !windows.contains(window) { windows.append(window) }
            case .sharedAttention: break
            }
        }
        return windows
    }
}

extension JSON {
    /// A metadata value. Text that is not UTF-8 is repaired, numbers past 2^63 - 1 become the nearest double.
    init(_ value: GGUFValue) {
        switch value {
        case .unsigned(let number): self = Int64(exactly: number).map(JSON.integer) ?? .number(Double(number))
        case .signed(let number): self = .integer(number)
        case .float(let number): self = .number(number)
        case .boolean(let flag): self = .boolean(flag)
        case .string(let bytes): self = .string(String(decoding: bytes, as: UTF8.self))
        case .array(let array): self = .array(JSON.elements(of: array))
        }
    }

    private static func elements(of array: GGUFArray) -> [JSON] {
        if let strings = array.strings { return strings.map { .string(String(decoding: $0, as: UTF8.self)) } }
        if let arrays = array.arrays { return arrays.map { .array(elements(of: $0)) } }
        if let flags = array.booleans { return flags.map(JSON.boolean) }
        if let integers = array.integers { return integers.map(JSON.integer) }
        if let floats = array.floats { return floats.map(JSON.number) }
        // Only 64-bit integers past Int64 are left.
        return Array(repeating: .null, count: array.count)
    }
}
