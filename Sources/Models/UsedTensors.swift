import Checkpoints

/// Takes tensors out of a checkpoint and remembers which, so that one left over is noticed: a tensor that nobody reads
/// would mean another function than the checkpoint's.
struct UsedTensors {
    private let checkpoint: Checkpoint
    private var names: Set<String> = []

    init(checkpoint: Checkpoint) {
        self.checkpoint = checkpoint
    }

    /// A matrix of exactly this shape. Throws `missingTensor` or `badShape`.
    mutating func matrix(_ name: String, rows: Int, columns: Int) throws(ModelError) -> Weight {
        try take(name, shape: [rows, columns], rows: rows, columns: columns)
    }

    /// A vector of exactly this length. Throws `missingTensor` or `badShape`.
    mutating func vector(_ name: String, count: Int) throws(ModelError) -> Weight {
        try take(name, shape: [count], rows: count, columns: 1)
    }

    /// As `vector`, or nil where the checkpoint has no such tensor. Throws `badShape`.
    mutating func optionalVector(_ name: String, count: Int) throws(ModelError) -> Weight? {
        try holds(name) ? try vector(name, count: count) : nil
    }

    /// Marks a tensor as used that is a copy of another one, or read already.
    mutating func ignore(_ name: String) {
        names.insert(name)
    }

    /// Marks the frequencies that older Hugging Face checkpoints store although they follow from the configuration.
    mutating func ignoreBuffers() {
        for name in checkpoint.tensorNames where name.hasSuffix(".rotary_emb.inv_freq") { names.insert(name) }
    }

    /// Throws `unexpectedTensor` for the first tensor that nothing has used.
    func requireNoneLeft() throws(ModelError) {
        for name in checkpoint.tensorNames where !names.contains(name) { throw .unexpectedTensor(name) }
    }

    /// Whether the checkpoint has a tensor of this name. Throws `checkpoint` where its type cannot be read.
    func holds(_ name: String) throws(ModelError) -> Bool { try entry(name) != nil }

    /// A tensor's number of rows, or nil where the checkpoint does not have it. Throws as `holds`.
    func rowCount(_ name: String) throws(ModelError) -> Int? { try entry(name)?.shape.first }

    private func entry(_ name: String) throws(ModelError) -> TensorEntry? {
        do throws(CheckpointError) {
            return try checkpoint.tensor(name)
        } catch {
            throw .checkpoint(error)
        }
    }

    private mutating func take(_ name: String, shape: [Int], rows: Int, columns: Int) throws(ModelError) -> Weight {
        guard let tensor = try entry(name) else { throw .missingTensor(name) }
        guard tensor.shape == shape else { throw .badShape(tensor: name, expected: shape, found: tensor.shape) }
        names.insert(name)
        return Weight(checkpoint: checkpoint, tensor: tensor, rows: rows, columns: columns)
    }
}
