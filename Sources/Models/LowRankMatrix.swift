import Checkpoints

/// A matrix of low rank, B A: what an adapter adds to a weight.
public struct LowRankMatrix: Sendable, Equatable {
    public let rows: Int
    public let columns: Int
    private let rank: Int
    /// `rank` x `columns`.
    private let a: [Float]
    /// `rows` x `rank`.
    private let b: [Float]

    /// Nil where the shapes do not fit or nothing is in them.
    init?(a: FiniteMatrix, b: FiniteMatrix) {
        guard a.rows == b.columns, a.rows > 0 else { return nil }
        (rows, columns, rank) = (b.rows, a.columns, a.rows)
        (self.a, self.b) = (a.values, b.values)
    }

    /// A and B as matrices of their own.
    func factors(name: String) -> (a: FittedMatrix, b: FittedMatrix) {
        (
            FittedMatrix(name: name + ".lora_A", rows: rank, columns: columns, values: a),
            FittedMatrix(name: name + ".lora_B", rows: rows, columns: rank, values: b)
        )
    }

    /// Adds row `row` to `destination`, which holds `columns` floats: one term of the rank after the other, each product
    /// and each sum rounded, so that every machine finds the same values.
    func add(row: Int, to destination: UnsafeMutableBufferPointer<Float>) {
        a.withUnsafeBufferPointer { a in
            for term in 0..<rank {
                let factor = b[row * rank + term]
                let start = term * columns
                for column in 0..<columns { destination[column] += factor * a[start + column] }
            }
        }
    }
}
