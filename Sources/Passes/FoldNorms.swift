import Models

/// Folds RMSNorm weights into the matrices behind them, wherever that is exact.
///
/// A norm of ones only disappears. Any other one is folded where each product of a norm weight and a matrix weight is
/// a float, so that the folded model computes the same function; that is measured on every weight. Matrices that keep
/// a quantized form, and a head that is tied to the embedding, are left alone.
public struct FoldNorms: Sendable {
    /// Whether matrices become float32, so that products of stored weights can be kept.
    public let widensMatrices: Bool

    public init(widensMatrices: Bool) {
        self.widensMatrices = widensMatrices
    }

    /// The model with the norms folded, and how many were.
    public func apply(to model: Model) -> (model: Model, report: PassReport) {
        var model = model
        var folded = 0
        for index in model.blocks.indices {
            var block = model.blocks[index]
            switch block.mixer {
            case .attention(var attention):
                if fold(&block.mixerNorm, into: [\.query, \.key, \.value], of: &attention) { folded += 1 }
                block.mixer = .attention(attention)
            case .sharedAttention(var attention):
                if fold(&block.mixerNorm, into: [\.value], of: &attention) { folded += 1 }
                block.mixer = .sharedAttention(attention)
            }
            switch block.feedForward {
            case .gated(let gate, let up, let down):
                var pair = GatePair(gate: gate, up: up)
                if fold(&block.feedForwardNorm, into: [\.gate, \.up], of: &pair) { folded += 1 }
                block.feedForward = .gated(gate: pair.gate, up: pair.up, down: down)
            }
            model.blocks[index] = block
        }
        if model.head.name != model.embedding.name {
            var head = HeadMatrix(matrix: Linear(weight: model.head))
            if fold(&model.finalNorm, into: [\.matrix], of: &head) { folded += 1 }
            model.head = head.matrix.weight
        } else if isIdentity(model.finalNorm) {
            model.finalNorm.weight = nil
            folded += 1
        }
        let norms = 2 * model.blocks.count + 1
        return (model, PassReport(name: "fold-norms", summary: "\(folded) of \(norms) norms folded exactly"))
    }

    private struct GatePair {
        var gate: Linear
        var up: Linear
    }

    private struct HeadMatrix {
        var matrix: Linear
    }

    private func isIdentity(_ norm: Norm) -> Bool {
        norm.weight?.values().allSatisfy { $0 == 1 } ?? false
    }

    private func fold<Owner>(
        _ norm: inout Norm, into matrices: [WritableKeyPath<Owner, Linear>], of owner: inout Owner
    ) -> Bool {
        guard let factors = norm.weight?.values() else { return false }
        if !factors.allSatisfy({ $0 == 1 }) {
            guard widensMatrices else { return false }
            for matrix in matrices where !isExact(owner[keyPath: matrix].weight, times: factors) { return false }
            for matrix in matrices { owner[keyPath: matrix].scaleColumns(by: factors) }
        }
        norm.weight = nil
        return true
    }

    /// Whether every product is a float. The first row nearly always decides.
    private func isExact(_ weight: Weight, times factors: [Float]) -> Bool {
        defer { weight.release() }
        return withUnsafeTemporaryAllocation(of: Float.self, capacity: weight.columns) { row in
            for index in 0..<weight.rows {
                weight.read(row: index, into: row)
                for column in 0..<weight.columns
                where Double(row[column] * factors[column]) != Double(row[column]) * Double(factors[column]) {
                    return false
                }
            }
            return true
        }
    }
}
