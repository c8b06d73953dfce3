import Foundation
import Plans

/// Weights that are a function of tensor, row and column, and their packed form, written straight from formats/plan.md.
enum LogicalWeights {
    /// One integer-packed value: value = scale * (code - zero) + minimum.
    struct Code {
        var code: Int
        var scale: Float16
        var minimum: Float16
    }

    static func element(_ tensor: Int, _ row: Int, _ column: Int) -> Float {
        Float((tensor * 31 + row * 7 + column * 3) % 201 - 100) / 64
    }

    static func code(_ packing: Packing, _ tensor: Int, _ row: Int, _ column: Int) -> Code {
        let bits: Int
        switch packing {
        case .int4Symmetric, .int4Affine: bits = 4
        case .int5Symmetric, .int5Affine: bits = 5
        default: bits = 8
        }
        let group = column / 32
        let isAffine = packing == .int4Affine || packing == .int5Affine
        return Code(
            code: (tensor * 5 + row * 11 + column * 13) % (1 << bits), scale: Float16(row + group * 16 + 1) / 1024,
            minimum: isAffine ? -Float16(row + group * 3) / 64 : 0)
    }

    static func value(_ packing: Packing, _ tensor: Int, _ row: Int, _ column: Int) -> Double {
        let zero: Int
        switch packing {
        case .float32, .float16, .bfloat16: return Double(element(tensor, row, column))
        case .int4Symmetric: zero = 8
        case .int5Symmetric: zero = 16
        case .int8Symmetric: zero = 128
        case .int4Affine, .int5Affine: zero = 0
        }
        let code = code(packing, tensor, row, column)
        return Double(code.scale) * Double(code.code - zero) + Double(code.minimum)
    }

    /// The whole weights section.
    static func pack(_ tensors: [Tensor]) -> [UInt8] {
        var bytes: [UInt8] = []
        for (index, tensor) in tensors.enumerated() {
            bytes += repeatElement(0, count: tensor.offset - bytes.count)
            switch tensor.layout {
            case .vector(let count):
                for column in 0..<count { append(element(index, 0, column).bitPattern, to: &bytes) }
            case .matrix(let packing, let rows, let columns):
                for tile in stride(from: 0, to: rows, by: 16) {
                    if packing.isFloat {
                        packFloatTile(packing, index, tile..<min(tile + 16, rows), columns, &bytes)
                    } else {
                        for group in stride(from: 0, to: columns, by: 32) {
                            packBlock(packing, index, tile..<min(tile + 16, rows), group, &bytes)
                        }
                    }
                }
            }
        }
        return bytes
    }

    private static func packFloatTile(
        _ packing: Packing, _ tensor: Int, _ rows: Range<Int>, _ columns: Int, _ bytes: inout [UInt8]
    ) {
        for column in 0..<columns {
            for row in rows.lowerBound..<rows.lowerBound + 16 {
                let value = rows.contains(row) ? element(tensor, row, column) : 0
                switch packing {
                case .float32: append(value.bitPattern, to: &bytes)
                case .float16: append(Float16(value).bitPattern, to: &bytes)
                default: append(UInt16(value.bitPattern >> 16), to: &bytes)
                }
            }
        }
    }

    private static func packBlock(
        _ packing: Packing, _ tensor: Int, _ rows: Range<Int>, _ group: Int, _ bytes: inout [UInt8]
    ) {
        var low = [UInt8](repeating: 0, count: packing == .int8Symmetric ? 512 : 256)
        var masks = [UInt64](repeating: 0, count: 8)
        var scales = [UInt16](repeating: 0, count: 16)
        var minimums = [UInt16](repeating: 0, count: 16)
        for row in rows {
            let lane = row - rows.lowerBound
            for column in 0..<32 {
                let code = code(packing, tensor, row, group + column)
                scales[lane] = code.scale.bitPattern
                minimums[lane] = code.minimum.bitPattern
                let position = lane * 4 + column % 4
                if packing == .int8Symmetric {
                    low[column / 4 * 64 + position] = UInt8(code.code)
                } else {
                    low[column / 8 * 64 + position] |= UInt8(code.code & 15) << (column % 8 < 4 ? 0 : 4)
                    masks[column / 4] |= UInt64(code.code >> 4) << UInt64(position)
                }
            }
        }
        bytes += low
        if packing == .int5Symmetric || packing == .int5Affine { for mask in masks { append(mask, to: &bytes) } }
        for scale in scales { append(scale, to: &bytes) }
        if packing == .int4Affine || packing == .int5Affine { for minimum in minimums { append(minimum, to: &bytes) } }
    }

    private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
    }
}
