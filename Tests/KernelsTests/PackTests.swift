import Kernels
import Testing

struct PackTests {
    @Test(arguments: lathe_packing.all)
    func `a tile's size is its blocks', and columns that do not fit have none`(packing: lathe_packing) {
        let blocks: [UInt32: Int] = [
            LATHE_INT4_SYMMETRIC.rawValue: 288, LATHE_INT4_AFFINE.rawValue: 320, LATHE_INT5_SYMMETRIC.rawValue: 352,
            LATHE_INT5_AFFINE.rawValue: 384, LATHE_INT8_SYMMETRIC.rawValue: 544,
        ]
        if let block = blocks[packing.rawValue] {
            #expect(lathe_tile_bytes(packing, 96) == 3 * block)
            #expect(lathe_tile_bytes(packing, 33) == 0)
        } else {
            #expect(lathe_tile_bytes(packing, 33) == 33 * 16 * packing.elementBytes)
            #expect(lathe_tile_bytes(packing, .max / 16) == 0)
        }
        #expect(lathe_tile_bytes(packing, 0) == 0)
        #expect(lathe_tile_bytes(LATHE_PACKING_COUNT, 32) == 0)
    }

    @Test(arguments: lathe_packing.all)
    func `rows come out of a tile as they went in, and padding rows are zero`(packing: lathe_packing) {
        var random = RandomSource(UInt64(packing.rawValue))
        let columns = 96
        let matrix = WeightMatrix(packing: packing, outputs: 11, columns: columns, random: &random)
        for index in 0..<16 {
            var row = WeightRow(zerosFor: packing, columns: columns)
            row.withKernelRow { lathe_extract_row(packing, matrix.start, columns, index, $0) }
            #expect(row == (index < 11 ? matrix.rows[index] : WeightRow(zerosFor: packing, columns: columns)))
        }
    }

    @Test(arguments: lathe_packing.all)
    func `packing a row again replaces it and leaves its neighbours alone`(packing: lathe_packing) {
        var random = RandomSource(7)
        let columns = 64
        let matrix = WeightMatrix(packing: packing, outputs: 16, columns: columns, random: &random)
        let tile = matrix.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        var replacement = WeightRow(packing: packing, columns: columns, extreme: false, random: &random)
        replacement.withKernelRow { lathe_pack_row(packing, tile, columns, 5, $0) }
        for index in 0..<16 {
            var row = WeightRow(zerosFor: packing, columns: columns)
            row.withKernelRow { lathe_extract_row(packing, matrix.start, columns, index, $0) }
            #expect(row == (index == 5 ? replacement : matrix.rows[index]))
        }
    }

    @Test(arguments: lathe_packing.all)
    func `an unpacked row holds the weights of the packing's formula`(packing: lathe_packing) {
        var random = RandomSource(UInt64(packing.rawValue) + 100)
        let columns = 64
        let matrix = WeightMatrix(packing: packing, outputs: 37, columns: columns, random: &random)
        for (index, row) in matrix.rows.enumerated() {
            var weights = [Float](repeating: .nan, count: columns)
            lathe_unpack_row(packing, matrix.start, columns, index, &weights)
            #expect(weights == (0..<columns).map { Float(row.weight($0, packing: packing)) })
        }
    }

    @Test func `a 5-bit block's bytes are where the format says`() {
        var random = RandomSource(3)
        let matrix = WeightMatrix(packing: LATHE_INT5_AFFINE, outputs: 16, columns: 32, random: &random)
        for row in 0..<16 {
            for column in 0..<32 {
                let (step, k) = (column / 8, column % 4)
                let pair = matrix.bytes[step * 64 + row * 4 + k]
                let low = column % 8 < 4 ? pair & 15 : pair >> 4
                let bit = row * 4 + k
                let high = matrix.bytes[256 + column / 4 * 8 + bit / 8] >> (bit % 8) & 1
                #expect(low | high << 4 == matrix.rows[row].codes[column])
            }
            let scale = matrix.bytes.load(fromByteOffset: 320 + row * 2, as: UInt16.self)
            let minimum = matrix.bytes.load(fromByteOffset: 352 + row * 2, as: UInt16.self)
            #expect(scale == matrix.rows[row].scales[0] && minimum == matrix.rows[row].minimums[0])
        }
    }
}
