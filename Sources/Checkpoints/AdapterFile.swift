/// A safetensors file of changes to a checkpoint: named matrices and metadata (formats/adapter.md, "File").
public struct AdapterFile: Sendable {
    public let path: String
    /// By the keys of `__metadata__`.
    public let metadata: [String: String]
    /// Names and shapes, in the order of the file.
    public let listing: [TensorListing]
    /// The same by their names.
    public let byName: [String: TensorListing]
    private let mapping: Mapping

    /// Fails with `missing` where there is no such file and `damaged` where it is not safetensors.
    public init(_ path: String) throws(CheckpointError) { try self.init(parsing: Mapping(path: path)) }

    /// Reads a file that is mapped already.
    public init(parsing mapping: Mapping) throws(CheckpointError) {
        let file = try SafetensorsFile(parsing: mapping, file: 0)
        path = mapping.path
        self.mapping = mapping
        metadata = file.metadata
        listing = file.tensors
        byName = Dictionary(listing.map { ($0.name, $0) }) { first, _ in first }
    }

    /// A tensor's values. Fails with `unsupported` where its type is not read, and `damaged` where it is no matrix of finite
    /// values.
    public func matrix(_ tensor: TensorListing) throws(CheckpointError) -> FiniteMatrix {
        guard case .readable(let entry) = tensor else {
            throw error(.unsupported, tensor, expected: "F32, F16 or BF16", found: tensor.typeName)
        }
        let bytes = UnsafeRawBufferPointer(rebasing: mapping.bytes[entry.offset..<entry.offset + entry.byteCount])
        return try FiniteMatrix(entry, in: bytes, file: path)
    }

    /// The same by name; nil where there is no such tensor.
    public func matrix(named name: String) throws(CheckpointError) -> FiniteMatrix? {
        guard let tensor = byName[name] else { return nil }
        return try matrix(tensor)
    }

    /// An error at one of the tensors.
    public func error(
        _ kind: CheckpointError.Kind, _ tensor: TensorListing, expected: String, found: String
    ) -> CheckpointError {
        CheckpointError(kind, file: path, at: .tensor(tensor.name), expected: expected, found: found)
    }

    /// Fails with `changed` where the file was written to or cut since it was opened.
    public func checkUnchanged() throws(CheckpointError) { try mapping.checkUnchanged() }
}
