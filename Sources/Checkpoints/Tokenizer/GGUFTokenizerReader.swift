/// Typed access to the tokenizer keys of a GGUF file.
struct GGUFTokenizerReader {
    let metadata: GGUFMetadata

    /// Control tokens that end a generation whatever the other keys say.
    static let endTexts: Set<[UInt8]> = Set(
        ["<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<|endoftext|>", "<|eom_id|>", "</s>"].map { Array($0.utf8) })

    func optionalText(_ key: String) throws(CheckpointError) -> String? {
        switch metadata[key] {
        case nil: return nil
        case .string(let bytes)?:
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw .malformed(location: key, expected: "UTF-8 text", found: "other bytes")
            }
            return text
        default: throw .malformed(location: key, expected: "a string", found: "another type")
        }
    }

    func text(_ key: String) throws(CheckpointError) -> String {
        guard let text = try optionalText(key) else {
            throw .malformed(location: key, expected: "a string", found: "nothing")
        }
        return text
    }

    func flag(_ key: String) throws(CheckpointError) -> Bool? {
        switch metadata[key] {
        case nil: return nil
        case .boolean(let flag)?: return flag
        default: throw .malformed(location: key, expected: "a boolean", found: "another type")
        }
    }

    func identifier(_ key: String, below count: Int) throws(CheckpointError) -> UInt32? {
        let number: Int64
        switch metadata[key] {
        case nil: return nil
        case .unsigned(let value)?: number = Int64(exactly: value) ?? -1
        case .signed(let value)?: number = value
        default: throw .malformed(location: key, expected: "an integer", found: "another type")
        }
        guard number >= 0, number < Int64(count) else {
            throw .malformed(location: key, expected: "an id below \(count)", found: "\(number)")
        }
        return UInt32(number)
    }

    func vocabulary() throws(CheckpointError) -> GGUFVocabulary {
        let texts = try strings("tokenizer.ggml.tokens")
        guard !texts.isEmpty, texts.count <= TokenizerDefinition.maximumVocabularySize else {
            throw .malformed(
                location: "tokenizer.ggml.tokens",
                expected: "between 1 and \(TokenizerDefinition.maximumVocabularySize) tokens", found: "\(texts.count)")
        }
        let types = try integers("tokenizer.ggml.token_type")
        guard types.count == texts.count else {
            throw .malformed(
                location: "tokenizer.ggml.token_type", expected: "\(texts.count) types", found: "\(types.count)")
        }
        return try GGUFVocabulary(texts: texts, types: types)
    }

    func merges(_ vocabulary: GGUFVocabulary) throws(CheckpointError) -> [TokenizerDefinition.Merge] {
        let texts = try strings("tokenizer.ggml.merges")
        var result: [TokenizerDefinition.Merge] = []
        result.reserveCapacity(texts.count)
        for (index, text) in texts.enumerated() {
            guard let space = text.dropFirst().firstIndex(of: 0x20),
                let left = vocabulary.identifiers[Array(text[..<space])],
                let right = vocabulary.identifiers[Array(text[(space + 1)...])],
                let joined = vocabulary.identifiers[Array(text[..<space] + text[(space + 1)...])]
            else {
                throw .malformed(
                    location: "tokenizer.ggml.merges[\(index)]",
                    expected: "two tokens of the vocabulary, their join too",
                    found: "\"\(String(decoding: text, as: UTF8.self))\"")
            }
            result.append(.init(left: left, right: right, result: joined))
        }
        return result
    }

    private func strings(_ key: String) throws(CheckpointError) -> [[UInt8]] {
        guard let values = metadata.strings(key) else {
            throw .malformed(
                location: key, expected: "an array of strings",
                found: metadata[key] == nil ? "nothing" : "another type")
        }
        return values.map { Array($0) }
    }

    private func integers(_ key: String) throws(CheckpointError) -> [Int64] {
        guard let values = metadata.integers(key) else {
            throw .malformed(
                location: key, expected: "an array of integers",
                found: metadata[key] == nil ? "nothing" : "another type")
        }
        return values
    }
}

/// The tokens of a GGUF file, sorted into the model's own and added ones by their type.
struct GGUFVocabulary {
    private(set) var tokens: [TokenizerDefinition.Token?] = []
    private(set) var addedTokens: [TokenizerDefinition.AddedToken] = []
    /// Ids by the text in the file.
    private(set) var identifiers: [[UInt8]: UInt32] = [:]

    init(texts: [[UInt8]], types: [Int64]) throws(CheckpointError) {
        tokens.reserveCapacity(texts.count)
        identifiers.reserveCapacity(texts.count)
        for (index, text) in texts.enumerated() {
            let id = UInt32(index)
            identifiers[text] = id
            switch types[index] {
            case 1:
                let bytes = ByteAlphabet.decode(text)
                tokens.append(.init(bytes: bytes ?? text, isByteLevel: bytes != nil))
            case 2, 5:
                tokens.append(.init(bytes: text, isByteLevel: false))
            case 3, 4:
                tokens.append(.init(bytes: text, isByteLevel: false))
                guard !text.isEmpty else {
                    throw .malformed(
                        location: "tokenizer.ggml.tokens[\(index)]", expected: "the text of an added token",
                        found: "nothing")
                }
                addedTokens.append(.init(id: id, content: text, isSpecial: types[index] == 3))
            default:
                throw .unsupported(
                    feature: "the token type \(types[index])", location: "tokenizer.ggml.token_type[\(index)]")
            }
        }
    }

    /// Ids of the control tokens with one of these texts.
    func controlTokens(named texts: Set<[UInt8]>) -> [UInt32] {
        addedTokens.filter { $0.isSpecial && texts.contains($0.content) }.map(\.id)
    }
}
