import Kernels
import Testing

struct PackTests {
    @Test(arguments: Format.all)
    func `a tile's size is its blocks' and its numbers', and columns that do not fit have none`(format: Format) {
        let (packing, group) = (format.packing, format.group)
        let blocks: [UInt32: (codes: Int, numbers: Int)] = [
            LATHE_INT4_SYMMETRIC.rawValue: (256, 32), LATHE_INT4_AFFINE.rawValue: (256, 64),
            LATHE_INT5_SYMMETRIC.rawValue: (320, 32), LATHE_INT5_AFFINE.rawValue: (320, 64),
            LATHE_INT8_SYMMETRIC.rawValue: (512, 32), LATHE_INT6_SYMMETRIC.rawValue: (384, 32),
            LATHE_INT3_CENTERED.rawValue: (192, 32), LATHE_INT2_CENTERED.rawValue: (128, 32),
        ]
        if let block = blocks[packing.rawValue] {
            let groups = [32: 5, 64: 3, 128: 2][group] ?? 0
            #expect(lathe_tile_bytes(packing, group, 160) == 5 * block.codes + groups * block.numbers)
            #expect(lathe_tile_bytes(packing, group, 33) == 0)
            for wrong in [0, 1, 16, 33, 96, 256, .max] { #expect(lathe_tile_bytes(packing, wrong, 128) == 0) }
        } else {
            #expect(lathe_tile_bytes(packing, group, 33) == 33 * 16 * packing.elementBytes)
        }
        #expect(lathe_tile_bytes(packing, group, .max / 32 * 32) == 0)
        #expect(lathe_tile_bytes(packing, group, 0) == 0)
        #expect(lathe_tile_bytes(LATHE_PACKING_COUNT, 32, 32) == 0)
    }

    @Test(arguments: Format.all)
    func `rows come out of a tile as they went in, and padding rows are zero`(format: Format) {
        var random = RandomSource(UInt64(format.packing.rawValue))
        let columns = 224
        let matrix = WeightMatrix(format: format, outputs: 11, columns: columns, random: &random)
        for index in 0..<16 {
            var row = WeightRow(zerosFor: format, columns: columns)
            row.withKernelRow { lathe_extract_row(format.packing, format.group, matrix.start, columns, index, $0) }
            #expect(row == (index < 11 ? matrix.rows[index] : WeightRow(zerosFor: format, columns: columns)))
        }
    }

    @Test(arguments: Format.all)
    func `packing a row again replaces it and leaves its neighbours alone`(format: Format) {
        var random = RandomSource(7)
        let columns = 160
        let matrix = WeightMatrix(format: format, outputs: 16, columns: columns, random: &random)
        let tile = matrix.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        var replacement = WeightRow(format: format, columns: columns, extreme: false, random: &random)
        replacement.withKernelRow { lathe_pack_row(format.packing, format.group, tile, columns, 5, $0) }
        for index in 0..<16 {
            var row = WeightRow(zerosFor: format, columns: columns)
            row.withKernelRow { lathe_extract_row(format.packing, format.group, matrix.start, columns, index, $0) }
            #expect(row == (index == 5 ? replacement : matrix.rows[index]))
        }
    }

    @Test(arguments: Format.all)
    func `an unpacked row holds the weights of the packing's formula`(format: Format) {
        var random = RandomSource(UInt64(format.packing.rawValue) + 100)
        let columns = 160
        let matrix = WeightMatrix(format: format, outputs: 37, columns: columns, random: &random)
        for (index, row) in matrix.rows.enumerated() {
            var weights = [Float](repeating: .nan, count: columns)
            lathe_unpack_row(format.packing, format.group, matrix.start, columns, index, &weights)
            #expect(weights == (0..<columns).map { Float(row.weight($0, format: format)) })
        }
    }

    @Test func `the bytes of groups of 5-bit codes are where the format says`() {
        var random = RandomSource(3)
        let format = Format(packing: LATHE_INT5_AFFINE, group: 64)
        let matrix = WeightMatrix(format: format, outputs: 16, columns: 96, random: &random)
        // Two blocks and their scales and minimums, then one block and its own.
        for (group, at) in [(0, 640), (1, 704 + 320)] {
            for row in 0..<16 {
                let scale = matrix.bytes.load(fromByteOffset: at + row * 2, as: UInt16.self)
                let minimum = matrix.bytes.load(fromByteOffset: at + 32 + row * 2, as: UInt16.self)
                #expect(scale == matrix.rows[row].scales[group] && minimum == matrix.rows[row].minimums[group])
            }
        }
        for (block, at) in [(0, 0), (1, 320), (2, 704)] {
            for row in 0..<16 {
                for column in 0..<32 {
                    let (step, k) = (column / 8, column % 4)
                    let pair = matrix.bytes[at + step * 64 + row * 4 + k]
                    let low = column % 8 < 4 ? pair & 15 : pair >> 4
                    let bit = row * 4 + k
                    let high = matrix.bytes[at + 256 + column / 4 * 8 + bit / 8] >> (bit % 8) & 1
                    #expect(low | high << 4 == matrix.rows[row].codes[block * 32 + column])
                }
            }
        }
    }

    @Test(arguments: [LATHE_INT2_CENTERED, LATHE_INT3_CENTERED, LATHE_INT6_SYMMETRIC])
    func `codes of 2, 3 and 6 bits are where the format says`(packing: lathe_packing) {
        var random = RandomSource(4)
        let format = Format(packing: packing, group: 32)
        let matrix = WeightMatrix(format: format, outputs: 16, columns: 32, random: &random)
        for row in 0..<16 {
            for column in 0..<32 {
                let (half, place, byte) = (column / 16, column % 16 / 4, row * 4 + column % 4)
                let code: UInt8
                switch packing {
                case LATHE_INT2_CENTERED:
                    code = matrix.bytes[half * 64 + byte] >> (2 * place) & 3
                case LATHE_INT3_CENTERED:
                    let units = (0..<3).map { matrix.bytes[$0 * 64 + byte] >> (4 * half) & 15 }
                    let fourth = units[0] & 1 | (units[1] & 1) << 1 | (units[2] & 1) << 2
                    code = place < 3 ? units[place] >> 1 : fourth
                default:
                    let units = (0..<3).map { matrix.bytes[(half * 3 + $0) * 64 + byte] }
                    let fourth = units[0] & 3 | (units[1] & 3) << 2 | (units[2] & 3) << 4
                    code = place < 3 ? units[place] >> 2 : fourth
                }
                #expect(code == matrix.rows[row].codes[column])
            }
            let scale = matrix.bytes.load(fromByteOffset: packing.codeBits * 64 + row * 2, as: UInt16.self)
            #expect(scale == matrix.rows[row].scales[0])
        }
    }
}
