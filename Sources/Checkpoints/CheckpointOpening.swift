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
            var directory = path
            while directory.utf8.count > 1, directory.hasSuffix("/") { directory.removeLast() }
            return try Checkpoint(directory: directory)
        }
        let mapping = try Mapping(path: path)
        if path.hasSuffix(".safetensors") { return try Checkpoint(besideConfiguration: mapping) }
        if path.hasSuffix(".gguf") || mapping.bytes.starts(with: GGUFFile.magic) {
            return try Checkpoint(parsingGGUF: mapping)
        }
        if let other = otherFormat(mapping.bytes) {
            throw CheckpointError(
                .unsupported, file: path, expected: "a GGUF or a safetensors file", found: other)
        }
        throw CheckpointError(
            .damaged, file: path, expected: "a GGUF file, a .safetensors file or a directory", found: "another file")
    }

    /// Reads a GGUF file that is mapped already.
    public convenience init(parsingGGUF mapping: Mapping) throws(CheckpointError) {
        let file = try GGUFFile(parsing: mapping)
        try self.init(
            path: mapping.path, metadata: .gguf(file.metadata), listing: file.tensors, files: [mapping])
    }

    /// Reads a safetensors file that is mapped already, with the configuration that belongs to it.
    public convenience init(
        parsingSafetensors mapping: Mapping, files: HuggingFaceFiles
    ) throws(CheckpointError) {
        let file = try SafetensorsFile(parsing: mapping, file: 0)
        try self.init(path: mapping.path, metadata: .huggingFace(files), listing: file.tensors, files: [mapping])
    }

    private convenience init(besideConfiguration mapping: Mapping) throws(CheckpointError) {
        let path = mapping.path
        let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
        let directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let index = directory + "/" + SafetensorsShards.name
        if access(index, F_OK) == 0 {
            let name = slash.map { String(path[path.index(after: $0)...]) } ?? path
            let shards = try SafetensorsShards(directory: directory)
            guard shards.files.count < 2 || !shards.files.contains(name) else {
                throw CheckpointError(
                    .unsupported, file: path, expected: "the directory of a checkpoint in several files",
                    found: "one of its \(shards.files.count) files")
            }
        }
        try self.init(parsingSafetensors: mapping, files: try HuggingFaceFiles(directory: directory))
    }

    private convenience init(directory: String) throws(CheckpointError) {
        let files = try HuggingFaceFiles(directory: directory)
        let single = directory + "/model.safetensors"
        if access(single, F_OK) == 0 {
            let mapping = try Mapping(path: single)
            let file = try SafetensorsFile(parsing: mapping, file: 0)
            try self.init(path: directory, metadata: .huggingFace(files), listing: file.tensors, files: [mapping])
            return
        }
        guard access(directory + "/" + SafetensorsShards.name, F_OK) == 0 else {
            for name in ["pytorch_model.bin", "pytorch_model.bin.index.json", "consolidated.00.pth"]
            where access(directory + "/" + name, F_OK) == 0 {
                throw CheckpointError(
                    .unsupported, file: directory, expected: "weights in safetensors", found: name)
            }
            throw CheckpointError(
                .missing, file: directory, expected: "model.safetensors or \(SafetensorsShards.name)",
                found: "neither")
        }
        let shards = try SafetensorsShards(directory: directory)
        var mappings: [Mapping] = []
        var listings: [[TensorListing]] = []
        for (position, name) in shards.files.enumerated() {
            let mapping = try Mapping(path: directory + "/" + name)
            listings.append(try SafetensorsFile(parsing: mapping, file: position).tensors)
            mappings.append(mapping)
        }
        try shards.check(listings)
        try self.init(
            path: directory, metadata: .huggingFace(files), listing: listings.flatMap { $0 }, files: mappings)
    }

    /// The name of a format that people may hold for a checkpoint's, or nil.
    private static func otherFormat(_ bytes: UnsafeRawBufferPointer) -> String? {
        if bytes.starts(with: "PK\u{3}\u{4}".utf8) { return "a zip file (PyTorch?)" }
        if bytes.starts(with: [0x80, 0x02]) { return "a pickle file (PyTorch?)" }
        if bytes.starts(with: "lmgg".utf8) || bytes.starts(with: "tjgg".utf8) { return "a file from before GGUF" }
        return nil
    }
}
