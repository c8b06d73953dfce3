/// A matrix that no checkpoint has: what a pass has fitted.
public final class FittedMatrix: Sendable {
    public let name: String
    public let rows: Int
    public let columns: Int
    /// Row after row.
    private let values: [Float]

    /// `values` are as many as rows times columns.
    public init(name: String, rows: Int, columns: Int, values: [Float]) {
        precondition(values.count == rows * columns)
        self.name = name
        self.rows = rows
        self.columns = columns
        self.values = values
    }

    /// One row's values; `destination` holds `columns` floats.
    func read(row: Int, into destination: UnsafeMutableBufferPointer<Float>) {
        _ = destination.update(fromContentsOf: values[row * columns..<(row + 1) * columns])
    }
}
