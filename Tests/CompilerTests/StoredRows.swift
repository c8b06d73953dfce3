import Checkpoints
import Lowering
import Models
import Plans

/// Where the rows of a plan's matrix come from: for each, a tensor of the checkpoint and the row there.
struct StoredRows {
    let sources: [(weight: Weight, row: Int)]

    /// One entry for each matrix of a lowered model, by its name in the plan.
    ///
    /// The order of rows is worked out here anew, from how GGUF's llama family permutes the rows of Q and K: with half
    /// the dimensions of a head, row t * half + i of the model is row 2i + t of the file. `heads` says how many heads
    /// a tensor of that kind has, and nil for others.
    static func all(of model: LoweredModel, heads: (String) -> Int?) -> [String: StoredRows] {
        var matrices: [String: StoredRows] = [:]
        for (tensor, lowered) in zip(model.program.tensors, model.tensors) {
            guard case .matrix(_, let stack) = lowered else { continue }
            var sources: [(Weight, Int)] = []
            for weight in stack {
                let heads = heads(weight.name)
                let half = heads.map { weight.rows / $0 / 2 } ?? 0
                for row in 0..<weight.rows {
                    guard heads != nil else {
                        sources.append((weight, row))
                        continue
                    }
                    let (head, inside) = row.quotientAndRemainder(dividingBy: 2 * half)
                    let (t, i) = inside.quotientAndRemainder(dividingBy: half)
                    sources.append((weight, head * 2 * half + 2 * i + t))
                }
            }
            matrices[String(decoding: tensor.name, as: UTF8.self)] = StoredRows(sources: sources)
        }
        return matrices
    }

    /// The checkpoint's values of one row, before any transform.
    func values(_ row: Int) -> [Float] {
        let (weight, stored) = sources[row]
        guard case .tensor(let tensor, let checkpoint) = weight.source else { return [] }
        return [Float](unsafeUninitializedCapacity: weight.columns) { values, count in
            checkpoint.decode(tensor, rows: stored..<stored + 1, into: values)
            count = weight.columns
        }
    }
}
