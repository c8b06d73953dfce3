extension TokenizerDefinition {
    /// Reads the tokenizer of a checkpoint: from its metadata (GGUF) or its tokenizer files (Hugging Face).
    public init(_ checkpoint: Checkpoint) throws(CheckpointError) {
        do throws(CheckpointError) {
            switch checkpoint.metadata {
            case .gguf(let metadata):
                try self.init(metadata: metadata)
            case .huggingFace(let files):
                try self.init(
                    tokenizer: try files.tokenizerJSON(), tokenizerConfig: files.tokenizerConfig ?? .null,
                    generationConfig: files.generationConfig ?? .null, config: files.config,
                    chatTemplate: files.chatTemplate)
            }
        } catch {
            guard error.file == "tokenizer" else { throw error }
            throw CheckpointError(
                error.kind, file: checkpoint.path, at: error.place, expected: error.expected, found: error.found)
        }
    }
}
