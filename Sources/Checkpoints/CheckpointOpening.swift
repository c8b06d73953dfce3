import Glibc

extension Checkpoint {
    /// Opens a GGUF file, a safetensors file beside its config.json, or a Hugging Face directory.
    ///
    /// Fails with `missing` where a file is not there, `damaged` where one breaks its format and `unsupported` where
    /// one uses what is not read. Reads the heads alone; the weights stay on disk.
    public static func open(_ path: String) throws(CheckpointError) -> Checkpoint {
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw CheckpointError(.missing, file: path, expected: "a checkpoint", found: errorText(errno))
        }
        if status.st_mode & S_IFMT == S_IFDIR {
            return try Checkpoint(directory: path)
        }
        let mapping = try Mapping(path: path)
        if mapping.bytes.starts(with: GGUFFile.magic) || path.hasSuffix(".gguf") {
            return try Checkpoint(parsingGGUF: mapping)
        }
        return try Checkpoint(safetensors: mapping)
    }

    /// Reads a GGUF file that is mapped already.
    public convenience init(parsingGGUF mapping: Mapping) throws(CheckpointError) {
        let file = try GGUFFile(parsing: mapping)
        try self.init(
            path: mapping.path, metadata: .gguf(file.metadata), listing: file.tensors, files: [mapping])
    }
}
