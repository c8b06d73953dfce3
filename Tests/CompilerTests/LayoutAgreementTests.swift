import Kernels
import Plans
import Testing

@Suite("Sizes that Swift and C both compute are the same")
struct LayoutAgreementTests {
    /// Every small width, and both sides of round ones up to the limit and far past it.
    static let widths: [Int] =
        Array(1...600)
        + (10...40).flatMap { power in [-33, -32, -31, -1, 0, 1, 31, 32, 33].map { (1 << power) + $0 } }

    @Test("bytes of a tile", arguments: Packing.allCases)
    func tileBytes(packing: Packing) {
        for columns in LayoutAgreementTests.widths {
            #expect(
                packing.tileBytes(columns: columns) ?? 0
                    == lathe_tile_bytes(packing.kernelPacking, packing.groupColumns, columns))
        }
        // Where the size no longer fits: the same on both sides of the largest that does.
        let block: Int
        let unit: Int
        switch packing {
        case .float32: (block, unit) = (1, 4 * Packing.tileRows)
        case .float16, .bfloat16: (block, unit) = (1, 2 * Packing.tileRows)
        case .integer(let codes, _): (block, unit) = (Packing.blockColumns, codes.blockBytes + codes.numberBytes)
        }
        let most = Int.max / unit * block
        for columns in [most - block, most] + (most <= Int.max - block ? [most + block, Int.max / block * block] : []) {
            #expect(
                packing.tileBytes(columns: columns) ?? 0
                    == lathe_tile_bytes(packing.kernelPacking, packing.groupColumns, columns),
                "\(columns)")
        }
        #expect(lathe_tile_bytes(packing.kernelPacking, packing.groupColumns, most) > 0)
        #expect(packing.tileBytes(columns: 0) == nil)
    }

    @Test("bytes of a matrix are those of its tiles", arguments: Packing.allCases)
    func matrixBytes(packing: Packing) {
        for rows in [1, 15, 16, 17, 31, 32, 33, 49152] {
            let tiles = (rows + Int(LATHE_TILE_ROWS) - 1) / Int(LATHE_TILE_ROWS)
            #expect(
                packing.matrixBytes(rows: rows, columns: 96) == tiles
                    * lathe_tile_bytes(packing.kernelPacking, packing.groupColumns, 96))
        }
    }

    @Test("bytes from one quantized row to the next")
    func quantizedRows() {
        for width in LayoutAgreementTests.widths where width < 1 << 40 {
            let buffer = Buffer(name: [], element: .quantized, rows: .step, width: width, offset: 0)
            #expect(buffer.rowStride == lathe_quantized_row_bytes(width), "\(width)")
        }
        #expect(Packing.blockColumns == Int(LATHE_BLOCK))
        #expect(Packing.tileRows == Int(LATHE_TILE_ROWS))
    }

    @Test("bytes from one float row to the next hold the row and keep it aligned")
    func floatRows() throws {
        for width in LayoutAgreementTests.widths where width < 1 << 40 {
            let stride = try #require(
                Buffer(name: [], element: .float32, rows: .step, width: width, offset: 0).rowStride)
            #expect(stride >= width * 4 && stride < width * 4 + 64 && stride % 64 == 0)
        }
    }
}
