/// A safetensors file of changes to a checkpoint: named matrices and metadata (formats/adapter.md, "File").
public struct AdapterFile: Sendable {
    public let path: String
    /// By the keys of `__metadata__`.
    public let metadata: [String: String]
    /// Names and shapes, in the order of the file.
    public let listing: [TensorListing]
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
    }

    /// A matrix's values, row after row. Fails with `unsupported` where its type is not read, and `damaged` where it is no
    /// matrix, is empty, or a value is infinity or NaN.
    public func matrix(_ tensor: TensorListing) throws(CheckpointError) -> (rows: Int, columns: Int, values: [Float]) {
        guard case .readable(let entry) = tensor else {
            throw error(.unsupported, tensor, expected: "F32, F16 or BF16", found: tensor.typeName)
        }
        guard entry.shape.count == 2, !entry.shape.contains(0) else {
            throw error(.damaged, tensor, expected: "a matrix", found: "shape \(entry.shape)")
        }
        let count = entry.shape[0] * entry.shape[1]
        let bytes = UnsafeRawBufferPointer(rebasing: mapping.bytes[entry.offset..<entry.offset + entry.byteCount])
        let values = [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            entry.type.decode(bytes, elements: 0..<count, into: buffer)
            initialized = count
        }
        guard values.allSatisfy(\.isFinite) else {
            throw error(.damaged, tensor, expected: "finite values", found: "infinity or NaN")
        }
        return (entry.shape[0], entry.shape[1], values)
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
