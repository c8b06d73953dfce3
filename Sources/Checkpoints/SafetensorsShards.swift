/// model.safetensors.index.json: which file holds which tensor (formats/safetensors.md, "Shards").
struct SafetensorsShards {
    /// The index's path, for errors.
    let path: String
    /// Shard file names, in the order in which they are read: by bytes of the name.
    let files: [String]
    private let map: JSONObject

    static let name = "model.safetensors.index.json"

    /// Reads an index; fails with `damaged` where a shard's name leads out of the directory.
    init(directory: String) throws(CheckpointError) {
        let path = directory + "/" + SafetensorsShards.name
        let index = try HuggingFaceFiles.object(
            path, limit: HuggingFaceFiles.configurationLimit, duplicateKeys: .refused)
        guard let map = index["weight_map"]?.object else {
            throw CheckpointError(
                .damaged, file: path, at: .key("weight_map"), expected: "an object", found: "none")
        }
        var seen: Set<ExactText> = []
        var files: [String] = []
        for (tensor, value) in map {
            guard let file = value.string, SafetensorsShards.isPlainName(file) else {
                throw CheckpointError(
                    .damaged, file: path, at: .tensor(tensor),
                    expected: "the name of a .safetensors file in the same directory",
                    found: value.string.map { "'\($0)'" } ?? "no string")
            }
            if seen.insert(ExactText(file)).inserted { files.append(file) }
        }
        self.path = path
        self.files = files.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        self.map = map
    }

    private static func isPlainName(_ name: String) -> Bool {
        name.hasSuffix(".safetensors") && !name.hasPrefix(".")
            && name.utf8.allSatisfy { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "\\") && $0 >= 0x20 }
    }

    /// Checks that the shards hold what the index says, each tensor in its file, and nothing else.
    func check(_ shards: [[TensorListing]]) throws(CheckpointError) {
        var found: Set<ExactText> = []
        for (file, listing) in zip(files, shards) {
            for tensor in listing {
                let place = map[tensor.name]?.string
                guard let place, ExactText(place) == ExactText(file) else {
                    throw CheckpointError(
                        .damaged, file: path, at: .tensor(tensor.name), expected: place ?? "no such tensor",
                        found: "it in \(file)")
                }
                found.insert(ExactText(tensor.name))
            }
        }
        for (tensor, value) in map where !found.contains(ExactText(tensor)) {
            throw CheckpointError(
                .damaged, file: path, at: .tensor(tensor), expected: "it in \(value.string ?? "a shard")",
                found: "no such tensor there")
        }
    }
}
