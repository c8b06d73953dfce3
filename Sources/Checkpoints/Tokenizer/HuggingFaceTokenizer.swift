extension TokenizerDefinition {
    /// Reads the definition that a Hugging Face directory holds (formats/tokenizer.md, "tokenizer.json").
    ///
    /// Everything in `tokenizer` that decides about ids is understood or refused by its JSON path; `truncation` and
    /// `padding` are no part of tokenization and are passed over.
    ///
    /// - Parameters:
    ///   - tokenizer: tokenizer.json.
    ///   - tokenizerConfig: tokenizer_config.json: the beginning and end tokens, the chat template.
    ///   - generationConfig: generation_config.json: end-of-generation ids.
    ///   - config: config.json: the same where generation_config.json is missing or says less.
    ///   - chatTemplate: text of chat_template.jinja, which goes before the one in `tokenizerConfig`.
    public init(
        tokenizer: JSON, tokenizerConfig: JSON = .null, generationConfig: JSON = .null, config: JSON = .null,
        chatTemplate: String? = nil
    ) throws(CheckpointError) {
        let root = TokenizerNode(tokenizer, path: "tokenizer.json")
        try root.allow(only: [
            "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor",
            "decoder", "model",
        ])
        let model = try HuggingFaceModel(root["model"], addedTokens: root["added_tokens"])
        let preTokenizers = try TokenizerDefinition.preTokenizers(root["pre_tokenizer"])
        guard case .byteLevel? = preTokenizers.last else {
            throw root["pre_tokenizer"].unsupported("a pre-tokenizer that does not end with ByteLevel")
        }
        try TokenizerDefinition.checkDecoder(root["decoder"])
        let around = try SingleSequenceTemplate(root["post_processor"])

        let settings = TokenizerNode(tokenizerConfig, path: "tokenizer_config.json")
        let generation = TokenizerNode(generationConfig, path: "generation_config.json")
        let architecture = TokenizerNode(config, path: "config.json")
        var ends: Set<UInt32> = []
        for node in [generation["eos_token_id"], architecture["eos_token_id"]] {
            ends.formUnion(try TokenizerDefinition.identifiers(node, vocabulary: model.vocabulary))
        }
        if let id = try model.identifier(named: settings["eos_token"]) { ends.insert(id) }
        var beginning = try model.identifier(named: settings["bos_token"])
        if beginning == nil {
            beginning = try TokenizerDefinition.identifiers(
                architecture["bos_token_id"], vocabulary: model.vocabulary
            ).first
        }

        var template = chatTemplate
        if template == nil { template = try TokenizerDefinition.chatTemplate(settings["chat_template"]) }

        self.init(
            vocabulary: model.vocabulary, merges: model.merges, ignoresMerges: model.ignoresMerges,
            normalizers: try TokenizerDefinition.normalizers(root["normalizer"]), preTokenizers: preTokenizers,
            addedTokens: model.addedTokens,
            prefix: try model.existing(around.prefix, at: root["post_processor"]),
            suffix: try model.existing(around.suffix, at: root["post_processor"]),
            beginningOfSequence: beginning, endOfGeneration: ends.sorted(), unknown: model.unknown,
            chatTemplate: template)
    }

    /// One id or a list of them, as configuration files write it; ids outside the vocabulary are an error.
    private static func identifiers(
        _ node: TokenizerNode, vocabulary: [Token?]
    ) throws(CheckpointError) -> [UInt32] {
        if node.isNull { return [] }
        var nodes = [node]
        if case .array = node.value { nodes = try node.array() }
        var result: [UInt32] = []
        for node in nodes {
            let id = try node.identifier()
            // Configurations name ids that only padding of the embedding matrix backs; no tokenizer can meet those.
            guard Int(id) < vocabulary.count, vocabulary[Int(id)] != nil else { continue }
            result.append(id)
        }
        return result
    }

    private static func normalizers(_ node: TokenizerNode) throws(CheckpointError) -> [Normalizer] {
        if node.isNull { return [] }
        switch try node["type"].string() {
        case "NFC":
            return [.nfc]
        case "Sequence":
            var result: [Normalizer] = []
            for inner in try node["normalizers"].array() { result += try normalizers(inner) }
            return result
        case let type:
            throw node.unsupported("the normalizer \"\(type)\"")
        }
    }

    private static func preTokenizers(_ node: TokenizerNode) throws(CheckpointError) -> [PreTokenizer] {
        if node.isNull { return [] }
        switch try node["type"].string() {
        case "Sequence":
            var result: [PreTokenizer] = []
            for inner in try node["pretokenizers"].array() {
                if case .byteLevel? = result.last {
                    throw inner.unsupported("a pre-tokenizer behind ByteLevel")
                }
                result += try preTokenizers(inner)
            }
            return result
        case "Split":
            try node.allow(only: ["type", "pattern", "behavior", "invert"])
            return [
                .split(
                    try pattern(node["pattern"]), behavior: try behavior(node["behavior"]),
                    isInverted: try node["invert"].boolean(default: false))
            ]
        case "Digits":
            try node.allow(only: ["type", "individual_digits"])
            return [.digits(individual: try node["individual_digits"].boolean(default: false))]
        case "ByteLevel":
            try node.allow(only: ["type", "add_prefix_space", "trim_offsets", "use_regex"])
            return [
                .byteLevel(
                    addsPrefixSpace: try node["add_prefix_space"].boolean(default: true),
                    usesPattern: try node["use_regex"].boolean(default: true))
            ]
        case let type:
            throw node.unsupported("the pre-tokenizer \"\(type)\"")
        }
    }

    private static func pattern(_ node: TokenizerNode) throws(CheckpointError) -> Pattern {
        try node.allow(only: ["Regex", "String"])
        if !node["Regex"].isNull { return .regularExpression(try node["Regex"].string()) }
        let text = try node["String"].string()
        guard !text.isEmpty else { throw node["String"].malformed("text") }
        return .literal(text)
    }

    private static func behavior(_ node: TokenizerNode) throws(CheckpointError) -> SplitBehavior {
        switch try node.string() {
        case "Isolated": return .isolated
        case "Removed": return .removed
        case "MergedWithPrevious": return .mergedWithPrevious
        case "MergedWithNext": return .mergedWithNext
        case "Contiguous": return .contiguous
        default: throw node.malformed("Isolated, Removed, MergedWithPrevious, MergedWithNext or Contiguous")
        }
    }

    private static func checkDecoder(_ node: TokenizerNode) throws(CheckpointError) {
        if node.isNull { return }
        switch try node["type"].string() {
        case "ByteLevel": return
        case "Sequence": for inner in try node["decoders"].array() { try checkDecoder(inner) }
        case let type: throw node.unsupported("the decoder \"\(type)\"")
        }
    }

    /// The template itself, or the one named "default" of a list.
    private static func chatTemplate(_ node: TokenizerNode) throws(CheckpointError) -> String? {
        if node.isNull { return nil }
        guard case .array = node.value else { return try node.string() }
        for entry in try node.array() where entry["name"].value == .string("default") {
            return try entry["template"].string()
        }
        return nil
    }
}
