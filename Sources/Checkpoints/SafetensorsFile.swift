extension Checkpoint {
    convenience init(directory: String) throws(CheckpointError) {
        throw CheckpointError(.unsupported, file: directory, expected: "a GGUF file", found: "a directory")
    }

    convenience init(safetensors mapping: Mapping) throws(CheckpointError) {
        throw CheckpointError(.unsupported, file: mapping.path, expected: "a GGUF file", found: "another file")
    }
}
