import Checkpoints

extension Model {
    /// Changes matrices as an adapter says. Its receivers must be receivers already. Fails with `damaged` where the adapter
    /// names a matrix that the model does not have, or one of another shape.
    public mutating func apply(_ adapter: Adapter) throws(CheckpointError) {
        for entry in adapter.entries {
            let weight = try matrix(of: entry, in: adapter.file).weight
            switch entry.change {
            case .added(let matrix): blocks[entry.layer][entry.part]?.weight.transforms.append(.added(matrix))
            case .replaced(let rows, let columns, let values):
                blocks[entry.layer][entry.part]?.weight = Weight(
                    FittedMatrix(name: weight.name, rows: rows, columns: columns, values: values))
            }
        }
    }

    /// The matrix that an entry of an adapter's file changes. Fails with `damaged` where there is none, or one of another shape.
    func matrix(of entry: Adapter.Entry, in file: AdapterFile) throws(CheckpointError) -> Linear {
        func damaged(expected: String, found: String) -> CheckpointError {
            file.error(.damaged, entry.tensor, expected: expected, found: found)
        }
        guard blocks.indices.contains(entry.layer) else {
            throw damaged(expected: "one of \(blocks.count) layers", found: "layer \(entry.layer)")
        }
        guard let matrix = blocks[entry.layer][entry.part] else {
            throw damaged(
                expected: "a matrix of layer \(entry.layer)", found: "one that this layer does not have")
        }
        let found: (rows: Int, columns: Int)
        switch entry.change {
        case .added(let matrix): found = (matrix.rows, matrix.columns)
        case .replaced(let rows, let columns, _): found = (rows, columns)
        }
        guard found == (matrix.weight.rows, matrix.weight.columns) else {
            throw damaged(
                expected: "a change of \(matrix.weight.rows) x \(matrix.weight.columns)",
                found: "one of \(found.rows) x \(found.columns)")
        }
        return matrix
    }
}
