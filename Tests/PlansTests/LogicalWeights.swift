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

    /// How the codes of a block lie.
    enum Places {
        case plane(Int)
        case planeAndMasks(Int)
        case quads(Int)
    }

    /// The page's table of integer packings: how a block's codes lie, and what a code means.
    private static func kind(
        _ codes: IntegerCodes
    ) -> (places: Places, bits: Int, step: Int, zero: Int, isAffine: Bool) {
        switch codes {
        case .int4Symmetric: (.plane(4), 4, 1, 8, false)
        case .int4Affine: (.plane(4), 4, 1, 0, true)
        case .int5Symmetric: (.planeAndMasks(4), 5, 1, 16, false)
        case .int5Affine: (.planeAndMasks(4), 5, 1, 0, true)
        case .int8Symmetric: (.plane(8), 8, 1, 128, false)
        case .int6Symmetric: (.quads(8), 6, 1, 32, false)
        case .int3Centered: (.quads(4), 3, 2, 7, false)
        case .int2Centered: (.plane(2), 2, 2, 3, false)
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
        var block = [UInt8](repeating: 0, count: 64 * kind.bits)
        for (lane, row) in rows.enumerated() {
            for column in 0..<32 {
                let code = code(codes, group, tensor, row, first + column).code
                let (line, byte) = (column / 4, lane * 4 + column % 4)
                switch kind.places {
                case .plane(let width), .planeAndMasks(let width):
                    block[line * width / 8 * 64 + byte] |= UInt8((code % (1 << width)) << (line * width % 8))
                    if case .planeAndMasks = kind.places {
                        block[width * 64 + line * 8 + byte / 8] |= UInt8((code >> 4) << (byte % 8))
                    }
                case .quads(let width):
                    let (quad, member, part) = (line / 4, line % 4, width / 4)
                    for unit in 0..<3 where member == 3 || member == unit {
                        let bits = member == 3 ? (code >> (part * unit)) % (1 << part) : code << part
                        let place = width == 8 ? (quad * 3 + unit, 0) : (unit, quad * 4)
                        block[place.0 * 64 + byte] |= UInt8(bits << place.1)
                    }
                }
            }
        }
        bytes += block
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
