import Kernels

/// How a weight matrix lies in the plan: the kernels' own layout (formats/plan.md, "Packings").
public enum Packing: UInt32, Sendable, Equatable, CaseIterable {
    case float32 = 0
    case float16 = 1
    case bfloat16 = 2
    case int4Symmetric = 3
    case int4Affine = 4
    case int5Symmetric = 5
    case int5Affine = 6
    case int8Symmetric = 7

    /// The kernels' name for this packing.
    public var kernelPacking: lathe_packing { lathe_packing(rawValue: rawValue) }

    /// Whether weights are float values, multiplied with float activations.
    public var isFloat: Bool {
        switch self {
        case .float32, .float16, .bfloat16: true
        case .int4Symmetric, .int4Affine, .int5Symmetric, .int5Affine, .int8Symmetric: false
        }
    }

    /// Bytes of one element for float packings, of one block of 16 rows by 32 columns for integer ones.
    public var unitBytes: Int {
        switch self {
        case .float32: 4
        case .float16, .bfloat16: 2
        case .int4Symmetric: 288
        case .int4Affine: 320
        case .int5Symmetric: 352
        case .int5Affine: 384
        case .int8Symmetric: 544
        }
    }

    /// Bytes of one tile of 16 rows, or nil where the packing does not allow that column count or the size overflows.
    public func tileBytes(columns: Int) -> Int? {
        guard columns > 0 else { return nil }
        if isFloat {
            let (bytes, overflow) = columns.multipliedReportingOverflow(by: unitBytes * Packing.tileRows)
            return overflow ? nil : bytes
        }
        guard columns % Packing.group == 0 else { return nil }
        let (bytes, overflow) = (columns / Packing.group).multipliedReportingOverflow(by: unitBytes)
        return overflow ? nil : bytes
    }

    /// Bytes of a whole packed matrix, its last tile padded, or nil where it is not allowed or the size overflows.
    public func matrixBytes(rows: Int, columns: Int) -> Int? {
        guard rows > 0, rows <= Int.max - Packing.tileRows, let tile = tileBytes(columns: columns) else { return nil }
        let (bytes, overflow) = ((rows + Packing.tileRows - 1) / Packing.tileRows).multipliedReportingOverflow(by: tile)
        return overflow ? nil : bytes
    }

    /// Weight rows interleaved in one tile.
    public static let tileRows = 16
    /// Columns that share a scale.
    public static let group = 32
}
