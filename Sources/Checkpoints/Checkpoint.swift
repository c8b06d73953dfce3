/// A model as it is distributed: metadata and named tensors, mapped and read lazily.
public final class Checkpoint: Sendable {
    public enum Format: Sendable, Hashable {
        /// One GGUF file (formats/gguf.md).
        case gguf
        /// A directory with config.json and safetensors (formats/safetensors.md).
        case huggingFace
    }

    /// What a checkpoint says of its model, in its format's own terms.
    public enum Metadata: Sendable {
        case gguf(GGUFMetadata)
        case huggingFace(HuggingFaceFiles)
    }

    /// The path that it was opened by.
    public let path: String
    public let metadata: Metadata
    /// Every tensor, in the order of the files.
    public let listing: [TensorListing]
    private let files: [Mapping]
    private let index: [ExactText: Int]

    init(path: String, metadata: Metadata, listing: [TensorListing], files: [Mapping]) throws(CheckpointError) {
        var index: [ExactText: Int] = [:]
        index.reserveCapacity(listing.count)
        for (position, tensor) in listing.enumerated() {
            guard index.updateValue(position, forKey: ExactText(tensor.name)) == nil else {
                throw CheckpointError(
                    .damaged, file: path, at: .tensor(tensor.name), expected: "each tensor once", found: "it again")
            }
        }
        self.path = path
        self.metadata = metadata
        self.listing = listing
        self.files = files
        self.index = index
    }

    public var format: Format {
        switch metadata {
        case .gguf: .gguf
        case .huggingFace: .huggingFace
        }
    }

    /// Names of all tensors in the order of the files, those that cannot be read among them.
    public var tensorNames: [String] { listing.map(\.name) }

    /// The tensor of a name, or nil where there is none; fails with `unsupported` where its type is not read.
    public func tensor(_ name: String) throws(CheckpointError) -> TensorEntry? {
        guard let position = index[ExactText(name)] else { return nil }
        switch listing[position] {
        case .readable(let entry): return entry
        case .unreadable(let tensor):
            let readable = ElementType.allCases.map(\.name).joined(separator: ", ")
            throw CheckpointError(
                .unsupported, file: path, at: .tensor(name), expected: "one of \(readable)", found: tensor.typeName)
        }
    }

    /// The bytes of a tensor as they lie in the file; valid while the checkpoint lives. `entry` must be its own.
    public func bytes(of entry: TensorEntry) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: files[entry.file].bytes[entry.offset..<entry.offset + entry.byteCount])
    }

    /// Decodes whole rows of a tensor, seen as `rowCount` x `rowElements`, to the exact f32 values.
    ///
    /// `output` must hold `rows.count * rowElements` values, and `rows` must lie in the tensor.
    public func decode(_ entry: TensorEntry, rows: Range<Int>, into output: UnsafeMutableBufferPointer<Float>) {
        let width = entry.rowElements
        precondition(rows.lowerBound >= 0 && rows.upperBound <= entry.rowCount && output.count >= rows.count * width)
        entry.type.decode(
            bytes(of: entry), elements: rows.lowerBound * width..<rows.upperBound * width, into: output)
    }

    /// Gives the memory of rows of a tensor back: they have been used, and would be read from the file again. `rows` must
    /// lie in the tensor.
    public func release(_ entry: TensorEntry, rows: Range<Int>) {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= entry.rowCount)
        let bytes = entry.byteCount / max(1, entry.rowCount)
        files[entry.file].release(entry.offset + rows.lowerBound * bytes..<entry.offset + rows.upperBound * bytes)
    }

    /// Fails with `changed` where a file was written to or cut since it was opened.
    public func checkUnchanged() throws(CheckpointError) {
        for file in files { try file.checkUnchanged() }
    }
}
