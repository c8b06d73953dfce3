import Plans

/// What becomes of one matrix of a program, where it is not for `WeightPrecision` to say.
public enum MatrixChoice: Sendable {
    /// The matrix takes this packing; its values are found when it is written.
    case packing(Packing)
    /// The matrix is these bytes.
    case packed(PackedMatrix)

    public var packing: Packing {
        switch self {
        case .packing(let packing): packing
        case .packed(let matrix): matrix.packing
        }
    }
}

/// A whole matrix in the kernels' layout.
public final class PackedMatrix: Sendable {
    public let packing: Packing
    public let rows: Int
    public let columns: Int
    /// All tiles, one after the other.
    public let bytes: [UInt8]

    /// Nil where the packing does not allow the columns, or the bytes are not as many as it takes.
    public init?(packing: Packing, rows: Int, columns: Int, bytes: [UInt8]) {
        guard packing.matrixBytes(rows: rows, columns: columns) == bytes.count else { return nil }
        self.packing = packing
        self.rows = rows
        self.columns = columns
        self.bytes = bytes
    }
}
