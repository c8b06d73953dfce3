import Models

extension Model {
    /// Throws `notFinite` for the first matrix or vector with an infinity or NaN, which no measurement survives.
    func checkFinite() throws(CompileError) {
        for unit in QuantizationUnit.all(of: self) {
            guard DenseMatrix(unit.stack).withValues({ $0.allSatisfy(\.isFinite) }) else {
                throw .notFinite(tensor: unit.name)
            }
        }
        for vector in vectors where !vector.values().allSatisfy(\.isFinite) { throw .notFinite(tensor: vector.name) }
    }

    /// The weights of norms, and biases.
    private var vectors: [Weight] {
        let layers = blocks.flatMap { block -> [Weight?] in
            var vectors = [block.mixerNorm.weight, block.feedForwardNorm.weight]
            var matrices: [Linear]
            switch block.mixer {
            case .attention(let attention):
                vectors += [attention.queryNorm?.weight, attention.keyNorm?.weight]
                matrices = [attention.query, attention.key, attention.value, attention.output]
            case .sharedAttention(let attention): matrices = [attention.value, attention.output]
            }
            switch block.feedForward {
            case .gated(let gate, let up, let down): matrices += [gate, up, down]
            }
            return vectors + matrices.map(\.bias)
        }
        return (layers + [finalNorm.weight]).compactMap { $0 }
    }
}
