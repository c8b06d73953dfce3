import Checkpoints

/// A matrix or vector of a model: a tensor of the checkpoint and the transforms on it, read row by row when needed.
public struct Weight: Sendable {
    /// A change on the way from the checkpoint.
    public enum Transform: Sendable, Equatable {
        /// Undoes the row order that GGUF's llama family gives Q and K: in each of `heads` heads, row 2i + t there is
        /// row t * half + i here. Values do not change.
        case rowsFromInterleavedHeads(heads: Int)
        /// Multiplies column k by the k-th value.
        case columnsScaled(by: [Float])
    }

    public let checkpoint: Checkpoint
    public let tensor: TensorEntry
    public let rows: Int
    /// 1 for a vector, whose values are its rows.
    public let columns: Int
    public var transforms: [Transform]

    public init(checkpoint: Checkpoint, tensor: TensorEntry, rows: Int, columns: Int, transforms: [Transform] = []) {
        self.checkpoint = checkpoint
        self.tensor = tensor
        self.rows = rows
        self.columns = columns
        self.transforms = transforms
    }

    public var name: String { tensor.name }

    /// Whether the stored values are used as they are, so that they can be copied instead of computed.
    public var keepsValues: Bool {
        transforms.allSatisfy {
            switch $0 {
            case .rowsFromInterleavedHeads: true
            case .columnsScaled: false
            }
        }
    }

    /// Whether row r is row r of the stored tensor.
    public var keepsRowOrder: Bool {
        transforms.allSatisfy {
            switch $0 {
            case .rowsFromInterleavedHeads: false
            case .columnsScaled: true
            }
        }
    }

    /// The row of the stored tensor that row `row` comes from.
    public func storedRow(_ row: Int) -> Int {
        var row = row
        for case .rowsFromInterleavedHeads(let heads) in transforms.reversed() {
            let dimensions = rows / heads
            let (head, inside) = (row / dimensions, row % dimensions)
            row = head * dimensions + (inside % (dimensions / 2)) * 2 + inside / (dimensions / 2)
        }
        return row
    }

    /// The stored bytes of one row.
    public func storedBytes(row: Int) -> UnsafeRawBufferPointer {
        let bytes = checkpoint.bytes(of: tensor)
        let stride = bytes.count / rows
        let start = storedRow(row) * stride
        return UnsafeRawBufferPointer(rebasing: bytes[start..<start + stride])
    }

    /// One row's values; `destination` holds `columns` floats.
    public func read(row: Int, into destination: UnsafeMutableBufferPointer<Float>) {
        let stored = storedRow(row)
        checkpoint.decode(tensor, rows: stored..<stored + 1, into: destination)
        for case .columnsScaled(let factors) in transforms {
            for column in 0..<columns { destination[column] *= factors[column] }
        }
    }

    /// All values, row after row.
    public func values() -> [Float] {
        [Float](unsafeUninitializedCapacity: rows * columns) { buffer, count in
            for row in 0..<rows {
                read(row: row, into: UnsafeMutableBufferPointer(rebasing: buffer[row * columns..<(row + 1) * columns]))
            }
            count = rows * columns
        }
    }
}
