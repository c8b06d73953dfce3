extension TokenizerDefinition {
    /// Reads the definition from a GGUF file's metadata (formats/tokenizer.md, "GGUF").
    ///
    /// GGUF names its pre-tokenizer instead of writing it down; a name that is not known exactly is refused.
    ///
    /// - Parameter metadata: the metadata of the file.
    public init(metadata: GGUFMetadata) throws(CheckpointError) {
        let reader = GGUFTokenizerReader(metadata: metadata)
        let model = try reader.text("tokenizer.ggml.model")
        guard model == "gpt2" else {
            throw .unsupported(feature: "the tokenizer model \"\(model)\"", location: "tokenizer.ggml.model")
        }
        let style = try GGUFPreTokenizer(name: try reader.text("tokenizer.ggml.pre"))
        if try reader.flag("tokenizer.ggml.add_space_prefix") ?? false {
            throw .unsupported(feature: "a space put before the text", location: "tokenizer.ggml.add_space_prefix")
        }

        let vocabulary = try reader.vocabulary()
        let beginning = try reader.identifier("tokenizer.ggml.bos_token_id", below: vocabulary.tokens.count)
        let end = try reader.identifier("tokenizer.ggml.eos_token_id", below: vocabulary.tokens.count)
        var ends = Set(vocabulary.controlTokens(named: GGUFTokenizerReader.endTexts))
        for key in ["eos", "eot", "eom"] {
            let id = try reader.identifier("tokenizer.ggml.\(key)_token_id", below: vocabulary.tokens.count)
            if let id { ends.insert(id) }
        }

        var prefix: [UInt32] = []
        if try reader.flag("tokenizer.ggml.add_bos_token") ?? style.addsBeginning {
            guard let beginning else {
                throw .malformed(location: "tokenizer.ggml.bos_token_id", expected: "an id", found: "nothing")
            }
            prefix = [beginning]
        }
        var suffix: [UInt32] = []
        if try reader.flag("tokenizer.ggml.add_eos_token") ?? false {
            guard let end else {
                throw .malformed(location: "tokenizer.ggml.eos_token_id", expected: "an id", found: "nothing")
            }
            suffix = [end]
        }
        self.init(
            vocabulary: vocabulary.tokens, merges: try reader.merges(vocabulary), ignoresMerges: style.ignoresMerges,
            normalizers: style.normalizers, preTokenizers: style.steps, addedTokens: vocabulary.addedTokens,
            prefix: prefix, suffix: suffix, beginningOfSequence: beginning, endOfGeneration: ends.sorted(),
            unknown: nil, chatTemplate: try reader.optionalText("tokenizer.chat_template"))
    }
}

/// What a GGUF pre-tokenizer name stands for: the definition of the tokenizer.json that it was converted from.
struct GGUFPreTokenizer {
    let steps: [TokenizerDefinition.PreTokenizer]
    var normalizers: [TokenizerDefinition.Normalizer] = []
    var ignoresMerges = false
    /// Whether the beginning token is put before a sequence where the file does not say.
    var addsBeginning = false

    init(name: String) throws(CheckpointError) {
        switch name {
        case "gpt-2", "phi-2":
            steps = [.byteLevel(addsPrefixSpace: false, usesPattern: true)]
        case "smollm", "starcoder", "refact":
            steps = [.digits(individual: true), .byteLevel(addsPrefixSpace: false, usesPattern: true)]
        case "llama-bpe", "llama3", "llama-v3":
            steps = GGUFPreTokenizer.split(
                GGUFPreTokenizer.contractions
                    + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#)
            ignoresMerges = true
            addsBeginning = true
        case "qwen2":
            steps = GGUFPreTokenizer.split(
                GGUFPreTokenizer.contractions
                    + #"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#)
            normalizers = [.nfc]
        case "tekken":
            steps = GGUFPreTokenizer.split(
                #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"#
                    + #"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"#
                    + #"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#)
            ignoresMerges = true
            addsBeginning = true
        default:
            throw .unsupported(feature: "the pre-tokenizer \"\(name)\"", location: "tokenizer.ggml.pre")
        }
    }

    private static let contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"

    private static func split(_ pattern: String) -> [TokenizerDefinition.PreTokenizer] {
        [
            .split(.regularExpression(pattern), behavior: .isolated, isInverted: false),
            .byteLevel(addsPrefixSpace: false, usesPattern: false),
        ]
    }
}
