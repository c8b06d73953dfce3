import Foundation
import Plans

/// Weights that are a function of tensor, row and column, and their packed form, written straight from formats/plan.md.
enum LogicalWeights {
    /// One integer-packed value: value = scale * (step * code - zero) + minimum.
    struct Code {
        var code: Int
        var scale: Float16
        var minimum: Float16
    }

    /// The page's table of integer packings: the widths of a block's planes, how its fifth bits lie, and what a code
    /// means.
    private static func kind(
        _ codes: IntegerCodes
    ) -> (planes: [Int], hasMasks: Bool, bits: Int, step: Int, zero: Int, isAffine: Bool) {
        switch codes {
        case .int4Symmetric: ([4], false, 4, 1, 8, false)
        case .int4Affine: ([4], false, 4, 1, 0, true)
        case .int5Symmetric: ([4], true, 5, 1, 16, false)
        case .int5Affine: ([4], true, 5, 1, 0, true)
        case .int8Symmetric: ([8], false, 8, 1, 128, false)
        case .int6Symmetric: ([4, 2], false, 6, 1, 32, false)
        case .int3Centered: ([2, 1], false, 3, 2, 7, false)
        case .int2Centered: ([2], false, 2, 2, 3, false)
        }
    }

    static func element(_ tensor: Int, _ row: Int, _ column: Int) -> Float {
        Float((tensor * 31 + row * 7 + column * 3) % 201 - 100) / 64
    }

    static func code(_ codes: IntegerCodes, _ group: GroupSize, _ tensor: Int, _ row: Int, _ column: Int) -> Code {
        let kind = kind(codes)
        let group = column / group.rawValue
        return Code(
            code: (tensor * 5 + row * 11 + column * 13) % (1 << kind.bits), scale: Float16(row + group * 16 + 1) / 1024,
            minimum: kind.isAffine ? -Float16(row + group * 3) / 64 : 0)
    }

    static func value(_ packing: Packing, _ tensor: Int, _ row: Int, _ column: Int) -> Double {
        switch packing {
        case .float32, .float16, .bfloat16: return Double(element(tensor, row, column))
        case .integer(let codes, let group):
            let kind = kind(codes)
            let code = code(codes, group, tensor, row, column)
            return Double(code.scale) * Double(kind.step * code.code - kind.zero) + Double(code.minimum)
        }
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
                    let tile = tile..<min(tile + 16, rows)
                    guard case .integer(let codes, let group) = packing else {
                        packFloatTile(packing, index, tile, columns, &bytes)
                        continue
                    }
                    for first in stride(from: 0, to: columns, by: group.rawValue) {
                        for block in stride(from: first, to: min(first + group.rawValue, columns), by: 32) {
                            packBlock(codes, group, index, tile, block, &bytes)
                        }
                        packNumbers(codes, group, index, tile, first, &bytes)
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
        _ codes: IntegerCodes, _ group: GroupSize, _ tensor: Int, _ rows: Range<Int>, _ first: Int,
        _ bytes: inout [UInt8]
    ) {
        let kind = kind(codes)
        var low = 0
        for width in kind.planes {
            var plane = [UInt8](repeating: 0, count: 64 * width)
            for (lane, row) in rows.enumerated() {
                for column in 0..<32 {
                    let code = code(codes, group, tensor, row, first + column).code >> low & (1 << width - 1)
                    let bit = column / 4 * width
                    plane[bit / 8 * 64 + lane * 4 + column % 4] |= UInt8(code << (bit % 8))
                }
            }
            bytes += plane
            low += width
        }
        guard kind.hasMasks else { return }
        var masks = [UInt64](repeating: 0, count: 8)
        for (lane, row) in rows.enumerated() {
            for column in 0..<32 {
                let fifth = code(codes, group, tensor, row, first + column).code >> 4
                masks[column / 4] |= UInt64(fifth) << UInt64(lane * 4 + column % 4)
            }
        }
        for mask in masks { append(mask, to: &bytes) }
    }

    /// The scales, and the minimums, of the group that begins at column `first`.
    private static func packNumbers(
        _ codes: IntegerCodes, _ group: GroupSize, _ tensor: Int, _ rows: Range<Int>, _ first: Int,
        _ bytes: inout [UInt8]
    ) {
        let lanes = (0..<16).map { lane in
            lane < rows.count ? code(codes, group, tensor, rows.lowerBound + lane, first) : nil
        }
        for lane in lanes { append(lane?.scale.bitPattern ?? 0, to: &bytes) }
        if kind(codes).isAffine { for lane in lanes { append(lane?.minimum.bitPattern ?? 0, to: &bytes) } }
    }

    private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
    }
}
