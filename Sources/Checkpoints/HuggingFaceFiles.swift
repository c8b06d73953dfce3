import Glibc

/// The JSON files beside the weights of a Hugging Face checkpoint (formats/safetensors.md, "Directory").
public struct HuggingFaceFiles: Sendable {
    /// The directory that holds them, without a slash at the end.
    public let directory: String
    /// config.json: an object.
    public let config: JSON
    /// generation_config.json, where there is one.
    public let generationConfig: JSON?
    /// tokenizer_config.json, where there is one.
    public let tokenizerConfig: JSON?
    /// chat_template.jinja, where there is one; newer checkpoints keep the template there.
    public let chatTemplate: String?

    /// Configuration files may have this many bytes.
    static let configurationLimit = 64 << 20
    /// tokenizer.json may have this many bytes.
    static let tokenizerLimit = 256 << 20

    /// Reads the small files of a directory; fails with `missing` where there is no config.json.
    public init(directory: String) throws(CheckpointError) {
        func read(_ name: String) throws(CheckpointError) -> JSON? {
            let path = directory + "/" + name
            guard access(path, F_OK) == 0 else { return nil }
            return try HuggingFaceFiles.object(path, limit: HuggingFaceFiles.configurationLimit)
        }
        guard let config = try read("config.json") else {
            throw CheckpointError(
                .missing, file: directory, expected: "config.json beside the weights", found: "no such file")
        }
        self.init(
            directory: directory, config: config, generationConfig: try read("generation_config.json"),
            tokenizerConfig: try read("tokenizer_config.json"),
            chatTemplate: try HuggingFaceFiles.text(directory + "/chat_template.jinja"))
    }

    /// Takes values in memory in place of files.
    public init(
        directory: String, config: JSON, generationConfig: JSON? = nil, tokenizerConfig: JSON? = nil,
        chatTemplate: String? = nil
    ) {
        self.directory = directory
        self.config = config
        self.generationConfig = generationConfig
        self.tokenizerConfig = tokenizerConfig
        self.chatTemplate = chatTemplate
    }

    /// Reads tokenizer.json: an object. Fails with `missing` where there is none.
    public func tokenizerJSON() throws(CheckpointError) -> JSON {
        try HuggingFaceFiles.object(directory + "/tokenizer.json", limit: HuggingFaceFiles.tokenizerLimit)
    }

    /// Reads a file that must hold one JSON object.
    static func object(
        _ path: String, limit: Int, duplicateKeys: JSONDuplicateKeys = .lastWins
    ) throws(CheckpointError) -> JSON {
        let mapping = try Mapping(path: path)
        guard mapping.bytes.count <= limit else {
            throw CheckpointError(
                .damaged, file: path, expected: "at most \(limit) bytes", found: "\(mapping.bytes.count)")
        }
        let value = try JSON(
            parsing: ByteView(mapping, 0..<mapping.bytes.count), file: path, duplicateKeys: duplicateKeys)
        guard case .object = value else {
            throw CheckpointError(.damaged, file: path, expected: "a JSON object", found: "an array")
        }
        return value
    }

    private static func text(_ path: String) throws(CheckpointError) -> String? {
        guard access(path, F_OK) == 0 else { return nil }
        let mapping = try Mapping(path: path)
        guard mapping.bytes.count <= configurationLimit,
            let text = String(validating: ByteView(mapping, 0..<mapping.bytes.count), as: UTF8.self)
        else {
            throw CheckpointError(
                .damaged, file: path, expected: "at most \(configurationLimit) bytes of UTF-8", found: "something else")
        }
        return text
    }
}
