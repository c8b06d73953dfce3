extension CheckpointError {
    /// The tokenizer asks for something that this compiler does not do; `location` is a JSON path or a metadata key.
    static func unsupported(feature: String, location: String) -> CheckpointError {
        CheckpointError(
            .unsupportedTokenizer, file: "tokenizer", at: .key(location),
            expected: "a part that formats/tokenizer.md lists", found: feature)
    }

    /// The tokenizer contradicts its format or itself.
    static func malformed(location: String, expected: String, found: String) -> CheckpointError {
        CheckpointError(.damaged, file: "tokenizer", at: .key(location), expected: expected, found: found)
    }
}
