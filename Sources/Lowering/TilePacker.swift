import Checkpoints
import Kernels
import Models
import Plans

/// Packs stacked matrices into the kernels' layout, tile by tile, each tile by itself.
public struct TilePacker: Sendable {
    public let packing: Packing
    public let columns: Int
    /// Tiles of 16 rows.
    public let tileCount: Int
    public let tileBytes: Int
    private let stack: [Weight]
    private let rowCount: Int

    /// Nil where the packing does not allow the matrices' columns.
    public init?(packing: Packing, stack: [Weight]) {
        guard let columns = stack.first?.columns, let tileBytes = packing.tileBytes(columns: columns) else {
            return nil
        }
        self.packing = packing
        self.columns = columns
        self.tileBytes = tileBytes
        self.stack = stack
        rowCount = stack.reduce(0) { $0 + $1.rows }
        tileCount = (rowCount + Packing.tileRows - 1) / Packing.tileRows
    }

    /// Writes tiles `range` one behind the other; `destination` holds `range.count * tileBytes` zeroed bytes.
    /// Returns whether all values are finite.
    public func pack(_ range: Range<Int>, into destination: UnsafeMutableRawBufferPointer) -> Bool {
        guard let base = destination.baseAddress, destination.count >= range.count * tileBytes else { return false }
        let scratch = RowScratch(packing: packing, columns: columns)
        for tile in range {
            let bytes = (base + (tile - range.lowerBound) * tileBytes).assumingMemoryBound(to: UInt8.self)
            for row in tile * Packing.tileRows..<min((tile + 1) * Packing.tileRows, rowCount) {
                let (weight, inside) = locate(row)
                guard scratch.load(weight, row: inside, for: packing) else { return false }
                var source = scratch.source(for: packing)
                lathe_pack_row(
                    packing.kernelPacking, packing.groupColumns, bytes, columns, row % Packing.tileRows, &source)
            }
        }
        return true
    }

    /// Gives back the checkpoint's memory for the tiles before `tile`, which have been packed.
    public func release(before tile: Int) {
        var rows = min(tile * Packing.tileRows, rowCount)
        for weight in stack {
            weight.release(rows: min(rows, weight.rows))
            rows -= min(rows, weight.rows)
        }
    }

    private func locate(_ row: Int) -> (weight: Weight, row: Int) {
        var row = row
        for weight in stack.dropLast() {
            if row < weight.rows { return (weight, row) }
            row -= weight.rows
        }
        return (stack[stack.count - 1], row)
    }
}

/// One row on its way into a tile.
private final class RowScratch {
    private let floats: UnsafeMutableBufferPointer<Float>
    private let halves: UnsafeMutableBufferPointer<UInt16>
    private let codes: UnsafeMutableBufferPointer<UInt8>
    private let scales: UnsafeMutableBufferPointer<UInt16>
    private let minimums: UnsafeMutableBufferPointer<UInt16>

    init(packing: Packing, columns: Int) {
        let groups = packing.isFloat ? 0 : (columns + packing.groupColumns - 1) / packing.groupColumns
        floats = .allocate(capacity: columns)
        halves = .allocate(capacity: columns)
        codes = .allocate(capacity: columns)
        scales = .allocate(capacity: groups)
        minimums = .allocate(capacity: groups)
    }

    deinit {
        floats.deallocate()
        halves.deallocate()
        codes.deallocate()
        scales.deallocate()
        minimums.deallocate()
    }

    func source(for packing: Packing) -> lathe_weight_row {
        var row = lathe_weight_row()
        switch packing {
        case .float32: row.values = UnsafeMutableRawPointer(floats.baseAddress)
        case .float16, .bfloat16: row.values = UnsafeMutableRawPointer(halves.baseAddress)
        case .integer:
            row.codes = codes.baseAddress
            row.scales = scales.baseAddress
            row.minimums = minimums.baseAddress
        }
        return row
    }

    /// Fills what `source(for:)` points at: a copy of the stored values where the packing holds them, else a rounding.
    /// Returns whether all values are finite.
    func load(_ weight: Weight, row: Int, for packing: Packing) -> Bool {
        switch (packing, weight.keptType) {
        case (.float16, .float16), (.bfloat16, .bfloat16):
            UnsafeMutableRawBufferPointer(halves).copyMemory(from: weight.storedBytes(row: row))
            let exponent: UInt16 = packing == .float16 ? 0x7C00 : 0x7F80
            return halves.allSatisfy { $0 & exponent != exponent }
        case (.integer(.int4Symmetric, group: .columns32), .some(let type)) where type == .q4_0,
            (.integer(.int4Affine, group: .columns32), .some(let type)) where type == .q4_1,
            (.integer(.int5Symmetric, group: .columns32), .some(let type)) where type == .q5_0,
            (.integer(.int5Affine, group: .columns32), .some(let type)) where type == .q5_1,
            (.integer(.int8Symmetric, group: .columns32), .some(let type)) where type == .q8_0:
            BlockRow(type: type, bytes: weight.storedBytes(row: row))
                .unpack(codes: codes, scales: scales, minimums: minimums)
            let isAffine = type == .q4_1 || type == .q5_1
            return scales.allSatisfy { $0 & 0x7C00 != 0x7C00 }
                && (!isAffine || minimums.allSatisfy { $0 & 0x7C00 != 0x7C00 })
        default:
            weight.read(row: row, into: floats)
            guard floats.allSatisfy(\.isFinite) else { return false }
            round(to: packing)
            return true
        }
    }

    private func round(to packing: Packing) {
        switch packing {
        case .float32: break
        case .float16: for (index, value) in floats.enumerated() { halves[index] = lathe_f32_to_f16(value) }
        case .bfloat16: for (index, value) in floats.enumerated() { halves[index] = RoundToNearest.bfloat16(value) }
        case .integer(let kind, let group):
            RoundToNearest.integers(floats, kind, group: group, codes: codes, scales: scales, minimums: minimums)
        }
    }
}
