import Kernels
import Plans

extension GroupSize {
    /// Groups in a row; the last one may be shorter.
    public func count(columns: Int) -> Int { (columns + rawValue - 1) / rawValue }
}

/// A matrix of codes on a grid, with one scale for every group of columns in a row.
public struct QuantizedMatrix: Sendable, Equatable {
    public let rows: Int
    public let columns: Int
    public let grid: Grid
    public let groupSize: GroupSize
    /// rows x columns codes, row after row.
    public let codes: [UInt8]
    /// rows x groups scales, bits of finite halves, row after row. A scale may be negative.
    public let scales: [UInt16]

    /// Groups in a row.
    public var groups: Int { groupSize.count(columns: columns) }

    /// Throws `badShape` where there are not as many codes and scales as the sizes say or a code is none of the grid's,
    /// and `notFinite` where a scale is infinity or NaN.
    public init(
        rows: Int, columns: Int, grid: Grid, groupSize: GroupSize, codes: [UInt8], scales: [UInt16]
    ) throws(QuantizationError) {
        let groups = groupSize.count(columns: columns)
        guard rows >= 0, columns > 0, codes.count == rows * columns else {
            throw .badShape(.weights, expected: rows * columns, found: codes.count)
        }
        guard scales.count == rows * groups else {
            throw .badShape(.weights, expected: rows * groups, found: scales.count)
        }
        if let code = codes.max(), Int(code) >= grid.count {
            throw .badShape(.weights, expected: grid.count, found: Int(code) + 1)
        }
        guard scales.allSatisfy({ $0 & 0x7C00 != 0x7C00 }) else { throw .notFinite(.weights) }
        self.rows = rows
        self.columns = columns
        self.grid = grid
        self.groupSize = groupSize
        self.codes = codes
        self.scales = scales
    }

    /// Writes the `columns` values of one row: scale times level, exact.
    public func values(row: Int, into destination: UnsafeMutableBufferPointer<Float>) {
        precondition(destination.count >= columns)
        let groups = groups
        for group in 0..<groups {
            let scale = lathe_f16_to_f32(scales[row * groups + group])
            for column in group * groupSize.rawValue..<min((group + 1) * groupSize.rawValue, columns) {
                destination[column] = scale * Float(grid.level(codes[row * columns + column]))
            }
        }
    }
}
