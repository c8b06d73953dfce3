/// A matrix of a file, decoded as a whole.
public struct FiniteMatrix: Sendable {
    public let rows: Int
    public let columns: Int
    /// Row after row.
    public let values: [Float]

    /// Decodes a tensor from its bytes. Fails with `damaged` where it is no matrix, is empty, or a value is infinity or NaN.
    init(_ entry: TensorEntry, in bytes: UnsafeRawBufferPointer, file: String) throws(CheckpointError) {
        func damaged(expected: String, found: String) -> CheckpointError {
            CheckpointError(.damaged, file: file, at: .tensor(entry.name), expected: expected, found: found)
        }
        guard entry.shape.count == 2, !entry.shape.contains(0) else {
            throw damaged(expected: "a matrix", found: "shape \(entry.shape)")
        }
        (rows, columns) = (entry.shape[0], entry.shape[1])
        let count = rows * columns
        values = [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            entry.type.decode(bytes, elements: 0..<count, into: buffer)
            initialized = count
        }
        guard values.allSatisfy(\.isFinite) else {
            throw damaged(expected: "finite values", found: "infinity or NaN")
        }
    }
}

extension Checkpoint {
    /// A matrix of finite values, or nil where there is no such tensor. Fails with `unsupported` where its type is not read.
    public func matrix(named name: String) throws(CheckpointError) -> FiniteMatrix? {
        guard let entry = try tensor(name) else { return nil }
        return try FiniteMatrix(entry, in: bytes(of: entry), file: path)
    }
}
