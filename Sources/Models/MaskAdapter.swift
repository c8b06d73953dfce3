import Checkpoints

/// Masks for a model as it is (formats/space.md): embeddings for the places of a group, and changes of matrices of low rank that
/// act on rows of masks alone. It is read as a whole when it is made.
public struct MaskAdapter: Sendable {
    private static let embedding = "masks.weight"
    /// Places of a group at the most, as in plans.
    private static let mostPlaces = 16

    let embeddings: FiniteMatrix
    let entries: [Adapter.Entry]
    let file: AdapterFile

    /// Fails with `missing`, `damaged`, `unsupported` or `changed`, as formats/space.md says.
    public init(_ path: String) throws(CheckpointError) { try self.init(AdapterFile(path)) }

    /// Reads a file that is open already.
    public init(_ file: AdapterFile) throws(CheckpointError) {
        self.file = file
        guard let embeddings = try file.matrix(named: MaskAdapter.embedding) else {
            throw CheckpointError(.damaged, file: file.path, expected: "the matrix masks.weight", found: "none")
        }
        guard embeddings.rows <= MaskAdapter.mostPlaces else {
            throw CheckpointError(
                .damaged, file: file.path, at: .tensor(MaskAdapter.embedding),
                expected: "at most \(MaskAdapter.mostPlaces) places", found: "\(embeddings.rows)")
        }
        self.embeddings = embeddings
        entries = try Adapter.entries(file, besides: [MaskAdapter.embedding])
        for entry in entries {
            guard case .added = entry.change else {
                throw file.error(
                    .unsupported, entry.tensor, expected: "changes of low rank", found: "a whole matrix")
            }
        }
        try file.checkUnchanged()
    }

    /// What masks have, in a few words.
    public var summary: String { "\(embeddings.rows) masks, \(entries.count) matrices changed for them" }
}

extension Model {
    /// Lets the model have masks. Rows of tokens stay what they are. Fails with `damaged` where the adapter names a matrix that
    /// the model does not have, or one of another shape.
    public mutating func apply(_ masks: MaskAdapter) throws(CheckpointError) {
        guard masks.embeddings.columns == hiddenSize else {
            throw CheckpointError(
                .damaged, file: masks.file.path, at: .tensor("masks.weight"), expected: "\(hiddenSize) columns",
                found: "\(masks.embeddings.columns)")
        }
        maskEmbedding = Weight(
            FittedMatrix(
                name: "masks.weight", rows: masks.embeddings.rows, columns: masks.embeddings.columns,
                values: masks.embeddings.values))
        for entry in masks.entries {
            let matrix = try matrix(of: entry, in: masks.file)
            guard case .added(let change) = entry.change else { continue }
            let factors = change.factors(name: matrix.weight.name)
            blocks[entry.layer][entry.part]?.maskChange = MaskChange(
                down: Weight(factors.a), up: Weight(factors.b))
        }
    }
}
