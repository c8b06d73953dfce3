import Kernels

/// A logical weight row: what goes into a tile and comes out of it.
struct WeightRow: Equatable {
    var values: [UInt8] = []
    var codes: [UInt8] = []
    var scales: [UInt16] = []
    var minimums: [UInt16] = []

    init(zerosFor format: Format, columns: Int) {
        let packing = format.packing
        if packing.isFloat {
            values = Array(repeating: 0, count: columns * packing.elementBytes)
        } else {
            codes = Array(repeating: 0, count: columns)
            scales = Array(repeating: 0, count: format.groupCount(columns))
            minimums = packing.isAffine ? scales : []
        }
    }

    init(format: Format, columns: Int, extreme: Bool, random: inout RandomSource) {
        self.init(zerosFor: format, columns: columns)
        let packing = format.packing
        switch packing {
        case LATHE_F16:
            values = random.halves(columns).flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
        case LATHE_F32, LATHE_BF16:
            values = random.floats(columns).flatMap { value in
                (4 - packing.elementBytes..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (UInt32($0) * 8)) }
            }
        default:
            let largest = UInt8(truncatingIfNeeded: (1 << packing.codeBits) - 1)
            let extremeCode = random.bits() % 2 == 0 ? 0 : largest
            codes = random.bytes(columns).map { extreme ? extremeCode : $0 & largest }
            scales = random.halves(format.groupCount(columns))
            minimums = packing.isAffine ? random.halves(format.groupCount(columns)) : []
        }
    }

    /// Calls with the kernels' view of this row.
    mutating func withKernelRow<R>(_ body: (UnsafePointer<lathe_weight_row>) -> R) -> R {
        values.withUnsafeMutableBytes { values in
            codes.withUnsafeMutableBufferPointer { codes in
                scales.withUnsafeMutableBufferPointer { scales in
                    minimums.withUnsafeMutableBufferPointer { minimums in
                        var row = lathe_weight_row(
                            values: values.baseAddress, codes: codes.baseAddress, scales: scales.baseAddress,
                            minimums: minimums.baseAddress)
                        return body(&row)
                    }
                }
            }
        }
    }

    /// Column `k`'s weight by the packing's formula.
    func weight(_ k: Int, format: Format) -> Double {
        let packing = format.packing
        switch packing {
        case LATHE_F32, LATHE_BF16:
            let bytes = packing.elementBytes
            let low = UInt32(4 - bytes)
            return Double(
                Float(
                    bitPattern: (0..<bytes).reduce(UInt32(0)) {
                        $0 | UInt32(values[k * bytes + $1]) << ((UInt32($1) + low) * 8)
                    }))
        case LATHE_F16: return halfValue(UInt16(values[2 * k]) | UInt16(values[2 * k + 1]) << 8)
        default:
            let minimum = packing.isAffine ? halfValue(minimums[k / format.group]) : 0
            return halfValue(scales[k / format.group]) * Double(packing.level(codes[k])) + minimum
        }
    }
}

/// A packed matrix beside its logical rows, at a 64-byte boundary.
final class WeightMatrix {
    let format: Format
    let columns: Int
    let rows: [WeightRow]
    let bytes: UnsafeMutableRawBufferPointer

    init(format: Format, outputs: Int, columns: Int, extreme: Bool = false, random: inout RandomSource) {
        self.format = format
        self.columns = columns
        let tileBytes = lathe_tile_bytes(format.packing, format.group, columns)
        bytes = .allocate(byteCount: (outputs + 15) / 16 * tileBytes, alignment: 64)
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
        var logical: [WeightRow] = []
        for index in 0..<outputs {
            var row = WeightRow(format: format, columns: columns, extreme: extreme, random: &random)
            let tile = bytes.baseAddress?.advanced(by: index / 16 * tileBytes)
            row.withKernelRow {
                lathe_pack_row(
                    format.packing, format.group, tile?.assumingMemoryBound(to: UInt8.self), columns, index % 16, $0)
            }
            logical.append(row)
        }
        rows = logical
    }

    deinit { bytes.deallocate() }

    var start: UnsafePointer<UInt8>? { UnsafeRawPointer(bytes.baseAddress)?.assumingMemoryBound(to: UInt8.self) }
}
