import Checkpoints

/// A matrix or vector of a model, or some of its rows: a tensor of the checkpoint or what a pass has fitted, and the
/// transforms on it, read row by row when needed.
public struct Weight: Sendable {
    /// Where values come from.
    public enum Source: Sendable {
        case tensor(TensorEntry, in: Checkpoint)
        case fitted(FittedMatrix)
    }

    /// A change on the way from the checkpoint.
    public enum Transform: Sendable, Equatable {
        /// Undoes the row order that GGUF's llama family gives Q and K: in each of `heads` heads, row 2i + t there is
        /// row t * half + i here. Values do not change.
        case rowsFromInterleavedHeads(heads: Int)
        /// Multiplies column k by the k-th value.
        case columnsScaled(by: [Float])
        /// Multiplies row r of the whole matrix, as the transforms before leave it, by the r-th value.
        case rowsScaled(by: [Float])
        /// Adds a matrix to the whole one, as the transforms before leave it.
        case added(LowRankMatrix)
    }

    public let source: Source
    /// The rows that this weight is, among those that all transforms on the tensor give.
    public let rowRange: Range<Int>
    /// 1 for a vector, whose values are its rows.
    public let columns: Int
    public var transforms: [Transform]
    /// Rows of the whole tensor.
    private let tensorRows: Int

    /// A whole tensor of `rows` rows.
    public init(checkpoint: Checkpoint, tensor: TensorEntry, rows: Int, columns: Int, transforms: [Transform] = []) {
        self.init(
            source: .tensor(tensor, in: checkpoint), tensorRows: rows, rowRange: 0..<rows, columns: columns,
            transforms: transforms)
    }

    /// A fitted matrix.
    public init(_ matrix: FittedMatrix) {
        self.init(
            source: .fitted(matrix), tensorRows: matrix.rows, rowRange: 0..<matrix.rows, columns: matrix.columns,
            transforms: [])
    }

    private init(
        source: Source, tensorRows: Int, rowRange: Range<Int>, columns: Int, transforms: [Transform]
    ) {
        self.source = source
        self.tensorRows = tensorRows
        self.rowRange = rowRange
        self.columns = columns
        self.transforms = transforms
    }

    /// Some of the rows as a weight of its own, whose row 0 is the first of them; it keeps the name. `rows` must lie in
    /// 0 ..< `self.rows`.
    public func slice(rows: Range<Int>) -> Weight {
        precondition(rows.lowerBound >= 0 && rows.upperBound <= self.rows)
        let first = rowRange.lowerBound
        return Weight(
            source: source, tensorRows: tensorRows,
            rowRange: first + rows.lowerBound..<first + rows.upperBound, columns: columns, transforms: transforms)
    }

    /// The tensor's name: the same for all slices of it.
    public var name: String {
        switch source {
        case .tensor(let tensor, _): tensor.name
        case .fitted(let matrix): matrix.name
        }
    }

    public var rows: Int { rowRange.count }

    /// The stored type, where stored values are used as they are and can be copied instead of computed; nil elsewhere.
    public var keptType: ElementType? {
        guard case .tensor(let tensor, _) = source else { return nil }
        let keepsValues = transforms.allSatisfy {
            switch $0 {
            case .rowsFromInterleavedHeads: true
            case .columnsScaled, .rowsScaled, .added: false
            }
        }
        return keepsValues ? tensor.type : nil
    }

    /// Whether the rows follow each other as they do in the stored tensor.
    public var keepsRowOrder: Bool {
        transforms.allSatisfy {
            switch $0 {
            case .rowsFromInterleavedHeads: false
            case .columnsScaled, .rowsScaled, .added: true
            }
        }
    }

    /// The row of the stored tensor that row `row` comes from.
    public func storedRow(_ row: Int) -> Int {
        var row = rowRange.lowerBound + row
        for case .rowsFromInterleavedHeads(let heads) in transforms.reversed() {
            let dimensions = tensorRows / heads
            let (head, inside) = (row / dimensions, row % dimensions)
            row = head * dimensions + (inside % (dimensions / 2)) * 2 + inside / (dimensions / 2)
        }
        return row
    }

    /// The stored bytes of one row of a tensor; none of a fitted matrix.
    public func storedBytes(row: Int) -> UnsafeRawBufferPointer {
        guard case .tensor(let tensor, let checkpoint) = source else {
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        let bytes = checkpoint.bytes(of: tensor)
        let stride = bytes.count / tensorRows
        let start = storedRow(row) * stride
        return UnsafeRawBufferPointer(rebasing: bytes[start..<start + stride])
    }

    /// One row's values; `destination` holds `columns` floats.
    public func read(row: Int, into destination: UnsafeMutableBufferPointer<Float>) {
        let stored = storedRow(row)
        switch source {
        case .tensor(let tensor, let checkpoint):
            checkpoint.decode(tensor, rows: stored..<stored + 1, into: destination)
        case .fitted(let matrix): matrix.read(row: stored, into: destination)
        }
        for transform in transforms {
            switch transform {
            case .rowsFromInterleavedHeads: break
            case .columnsScaled(let factors):
                for column in 0..<columns { destination[column] *= factors[column] }
            case .rowsScaled(let factors):
                let factor = factors[rowRange.lowerBound + row]
                for column in 0..<columns { destination[column] *= factor }
            case .added(let matrix): matrix.add(row: rowRange.lowerBound + row, to: destination)
            }
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

    /// Gives back the checkpoint's memory for the first `count` rows, all where it is nil: they have been used, and would
    /// be read from the file again.
    public func release(rows count: Int? = nil) {
        if case .tensor(let tensor, let checkpoint) = source {
            checkpoint.release(tensor, rows: storedRows(ofFirst: count ?? rows))
        }
    }

    /// The rows of the stored tensor that the first `count` rows have to themselves.
    func storedRows(ofFirst count: Int) -> Range<Int> {
        let count = max(0, min(count, rows))
        let first = rowRange.lowerBound
        if keepsRowOrder { return first..<first + count }
        // A permutation takes rows from anywhere in its heads: they are done when the whole tensor is.
        return count == tensorRows ? 0..<tensorRows : 0..<0
    }
}
