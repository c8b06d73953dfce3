import Kernels

/// How a weight matrix lies in the plan: the kernels' own layout (formats/plan.md, "Packings").
public enum Packing: Sendable, Hashable {
    case float32
    case float16
    case bfloat16
    /// Codes of a few bits; each row's `group` columns share a scale.
    case integer(IntegerCodes, group: GroupSize)

    /// The packing's number in a plan.
    public var number: UInt32 {
        switch self {
        case .float32: 0
        case .float16: 1
        case .bfloat16: 2
        case .integer(let codes, _): codes.rawValue
        }
    }

    /// Columns that share a scale; 0 for float packings.
    public var groupColumns: Int {
        switch self {
        case .float32, .float16, .bfloat16: 0
        case .integer(_, let group): group.rawValue
        }
    }

    /// The kernels' name for this packing.
    public var kernelPacking: lathe_packing { lathe_packing(rawValue: number) }

    /// Whether weights are float values, multiplied with float activations.
    public var isFloat: Bool {
        switch self {
        case .float32, .float16, .bfloat16: true
        case .integer: false
        }
    }

    /// Bytes of one tile of 16 rows, or nil where the packing does not allow that column count or the size overflows.
    public func tileBytes(columns: Int) -> Int? {
        guard columns > 0 else { return nil }
        let elementBytes: Int
        switch self {
        case .float32: elementBytes = 4
        case .float16, .bfloat16: elementBytes = 2
        case .integer(let codes, let group): return codes.tileBytes(columns: columns, group: group)
        }
        let (bytes, overflow) = columns.multipliedReportingOverflow(by: elementBytes * Packing.tileRows)
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
    /// Columns of a block of codes, and those that share a scale in activations.
    public static let blockColumns = 32
}

extension Packing: CaseIterable {
    /// Every packing with every group that it allows.
    public static var allCases: [Packing] {
        [.float32, .float16, .bfloat16]
            + IntegerCodes.allCases.flatMap { codes in GroupSize.allCases.map { .integer(codes, group: $0) } }
    }
}

/// Columns of a row that share one scale, and a minimum where there is one; the last group of a row may have fewer.
public enum GroupSize: Int, Sendable, CaseIterable {
    case columns32 = 32
    case columns64 = 64
    case columns128 = 128
}

/// The codes of an integer packing: how many bits, and what a code stands for. Raw values are the packings' numbers.
public enum IntegerCodes: UInt32, Sendable, CaseIterable {
    case int4Symmetric = 3
    case int4Affine = 4
    case int5Symmetric = 5
    case int5Affine = 6
    case int8Symmetric = 7
    case int6Symmetric = 8
    case int3Centered = 9
    case int2Centered = 10

    /// What codes stand for.
    public enum Grid: Sendable {
        /// scale * (code - 2^(bits - 1)): zero is a level.
        case symmetric
        /// scale * (2 * code - (2^bits - 1)): as many levels above zero as below.
        case centered
        /// scale * code + minimum.
        case affine
    }

    public var grid: Grid {
        switch self {
        case .int4Symmetric, .int5Symmetric, .int6Symmetric, .int8Symmetric: .symmetric
        case .int2Centered, .int3Centered: .centered
        case .int4Affine, .int5Affine: .affine
        }
    }

    public var bits: Int {
        switch self {
        case .int2Centered: 2
        case .int3Centered: 3
        case .int4Symmetric, .int4Affine: 4
        case .int5Symmetric, .int5Affine: 5
        case .int6Symmetric: 6
        case .int8Symmetric: 8
        }
    }

    /// Bytes of a block: the codes of 16 rows and 32 columns.
    public var blockBytes: Int { bits * Packing.tileRows * Packing.blockColumns / 8 }

    /// Bytes of the scales and minimums of a group of 16 rows.
    public var numberBytes: Int { Packing.tileRows * (grid == .affine ? 4 : 2) }

    fileprivate func tileBytes(columns: Int, group: GroupSize) -> Int? {
        guard columns % Packing.blockColumns == 0 else { return nil }
        // A scale for every block would be the most; the kernels draw the same line.
        let blocks = columns / Packing.blockColumns
        guard !blocks.multipliedReportingOverflow(by: blockBytes + numberBytes).overflow else { return nil }
        return blocks * blockBytes + ((columns - 1) / group.rawValue + 1) * numberBytes
    }
}
