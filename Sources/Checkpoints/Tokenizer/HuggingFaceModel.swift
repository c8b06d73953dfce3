/// The vocabulary, merges and added tokens of a tokenizer.json.
struct HuggingFaceModel {
    private(set) var vocabulary: [TokenizerDefinition.Token?] = []
    private(set) var merges: [TokenizerDefinition.Merge] = []
    private(set) var addedTokens: [TokenizerDefinition.AddedToken] = []
    let ignoresMerges: Bool
    private(set) var unknown: UInt32?
    /// Ids of the model's own tokens by their text in the byte alphabet.
    private var identifiers: [[UInt8]: UInt32] = [:]

    init(_ model: TokenizerNode, addedTokens added: TokenizerNode) throws(CheckpointError) {
        // Files written before the field existed hold BPE models without it.
        if !model["type"].isNull, try model["type"].string() != "BPE" {
            throw model["type"].unsupported("the model \"\(try model["type"].string())\"")
        }
        try model.allow(only: [
            "type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
            "byte_fallback", "ignore_merges", "vocab", "merges",
        ])
        if try model["byte_fallback"].boolean(default: false) {
            throw model["byte_fallback"].unsupported("byte fallback")
        }
        for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
            guard model[name].isNull || model[name].value == .string("") else {
                throw model[name].unsupported("the setting \"\(name)\"")
            }
        }
        switch model["dropout"].value {
        case .null, .integer(0), .number(0): break
        default: throw model["dropout"].unsupported("dropout")
        }
        ignoresMerges = try model["ignore_merges"].boolean(default: false)
        try readVocabulary(model["vocab"])
        try readMerges(model["merges"])
        if !model["unk_token"].isNull {
            let text = try model["unk_token"].string()
            guard let id = identifiers[Array(text.utf8)] else {
                throw .malformed(
                    location: model["unk_token"].path, expected: "a token of the vocabulary", found: "\"\(text)\"")
            }
            unknown = id
            if try model["fuse_unk"].boolean(default: false), !hasAllBytes {
                throw model["fuse_unk"].unsupported("joining unknown bytes into one token")
            }
        }
        try readAddedTokens(added)
    }

    /// The id of a token that a configuration names by text or by an object with `content`; nil for null.
    func identifier(named node: TokenizerNode) throws(CheckpointError) -> UInt32? {
        if node.isNull { return nil }
        var text = node
        if case .object = node.value { text = node["content"] }
        let content = Array(try text.string().utf8)
        if let added = addedTokens.first(where: { $0.content == content }) { return added.id }
        return identifiers[content]
    }

    /// The ids, which must all be in the vocabulary.
    func existing(_ ids: [UInt32], at node: TokenizerNode) throws(CheckpointError) -> [UInt32] {
        for id in ids where Int(id) >= vocabulary.count || vocabulary[Int(id)] == nil {
            throw .malformed(location: node.path, expected: "ids of the vocabulary", found: "\(id)")
        }
        return ids
    }

    private var hasAllBytes: Bool {
        var seen = Set<UInt8>()
        for case let token? in vocabulary where token.isByteLevel && token.bytes.count == 1 {
            seen.insert(token.bytes[0])
        }
        return seen.count == 256
    }

    /// Makes room for an id and says whether it was free.
    private mutating func place(_ token: TokenizerDefinition.Token, at id: UInt32) -> Bool {
        if Int(id) >= vocabulary.count {
            vocabulary += Array(repeating: nil, count: Int(id) + 1 - vocabulary.count)
        }
        guard vocabulary[Int(id)] == nil else { return false }
        vocabulary[Int(id)] = token
        return true
    }

    private mutating func readVocabulary(_ node: TokenizerNode) throws(CheckpointError) {
        let entries = try node.object()
        identifiers.reserveCapacity(entries.count)
        vocabulary.reserveCapacity(entries.count)
        for (text, value) in entries {
            guard case .integer(let number) = value, number >= 0,
                number < Int64(TokenizerDefinition.maximumVocabularySize)
            else {
                throw node[text].malformed("an id below \(TokenizerDefinition.maximumVocabularySize)")
            }
            let id = UInt32(number)
            identifiers[Array(text.utf8)] = id
            let bytes = ByteAlphabet.decode(text)
            let token = TokenizerDefinition.Token(bytes: bytes ?? Array(text.utf8), isByteLevel: bytes != nil)
            guard place(token, at: id) else {
                throw .malformed(location: node.path, expected: "one token for each id", found: "two for \(id)")
            }
        }
    }

    private mutating func readMerges(_ node: TokenizerNode) throws(CheckpointError) {
        guard case .array(let elements) = node.value else { throw node.malformed("an array") }
        merges.reserveCapacity(elements.count)
        for (index, element) in elements.enumerated() {
            let left: ArraySlice<UInt8>
            let right: ArraySlice<UInt8>
            switch element {
            case .string(let text):
                let parts = Array(text.utf8).split(separator: 0x20, omittingEmptySubsequences: false)
                guard parts.count == 2 else {
                    throw TokenizerNode(element, path: "\(node.path)[\(index)]").malformed("two tokens and a space")
                }
                left = parts[0]
                right = parts[1]
            case .array(let pair):
                guard pair.count == 2, case .string(let first) = pair[0], case .string(let second) = pair[1] else {
                    throw TokenizerNode(element, path: "\(node.path)[\(index)]").malformed("two tokens")
                }
                left = ArraySlice(first.utf8)
                right = ArraySlice(second.utf8)
            default:
                throw TokenizerNode(element, path: "\(node.path)[\(index)]").malformed("two tokens")
            }
            guard let first = identifiers[Array(left)], let second = identifiers[Array(right)],
                let result = identifiers[Array(left + right)]
            else {
                throw .malformed(
                    location: "\(node.path)[\(index)]", expected: "tokens of the vocabulary, their join too",
                    found: "\"\(String(decoding: left, as: UTF8.self)) \(String(decoding: right, as: UTF8.self))\"")
            }
            merges.append(.init(left: first, right: second, result: result))
        }
    }

    private mutating func readAddedTokens(_ node: TokenizerNode) throws(CheckpointError) {
        if node.isNull { return }
        for entry in try node.array() {
            try entry.allow(only: ["id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"])
            let id = try entry["id"].identifier()
            let content = Array(try entry["content"].string().utf8)
            guard !content.isEmpty else { throw entry["content"].malformed("text") }
            let isSpecial = try entry["special"].boolean(default: false)
            if let known = identifiers[content], known != id {
                throw .malformed(
                    location: entry["id"].path, expected: "the id \(known) that the vocabulary gives this token",
                    found: "\(id)")
            }
            if identifiers[content] == nil {
                guard place(.init(bytes: content, isByteLevel: false), at: id) else {
                    throw .malformed(location: entry["id"].path, expected: "an id of its own", found: "\(id)")
                }
            } else if let token = vocabulary[Int(id)], token.bytes != content {
                throw entry["content"].unsupported("an added token that the vocabulary reads as other bytes")
            }
            addedTokens.append(
                .init(
                    id: id, content: content, isSpecial: isSpecial,
                    stripsLeft: try entry["lstrip"].boolean(default: false),
                    stripsRight: try entry["rstrip"].boolean(default: false),
                    isSingleWord: try entry["single_word"].boolean(default: false),
                    isNormalized: try entry["normalized"].boolean(default: !isSpecial)))
        }
    }
}
