import Kernels
import Lowering
import Plans
import Quantization
import Testing

@testable import Compiler

@Suite("Quantized matrices in the kernels' layout")
struct PackedMatrixTests {
    @Test("the kernels unpack the values that codes and scales stand for", arguments: PackingOption.all)
    func values(_ option: PackingOption) throws {
        // A last tile of few rows, and a last group that is shorter than the others.
        let (rows, columns) = (21, 224)
        var random = SystemlessRandom(state: 7)
        let groups = option.groupSize.count(columns: columns)
        let matrix = try QuantizedMatrix(
            rows: rows, columns: columns, grid: option.grid, groupSize: option.groupSize,
            codes: (0..<rows * columns).map { _ in UInt8(random.next() % UInt64(option.grid.count)) },
            scales: (0..<rows * groups).map { _ in
                lathe_f32_to_f16(Float(Int(random.next() % 2001) - 1000) / 512)
            })
        let packed = try #require(PackedMatrix(matrix, packing: option.packing))
        let plain = try #require(PackedMatrix(valuesOf: matrix))
        var (expected, found, copied) = (
            [Float](repeating: 0, count: columns), [Float](repeating: 0, count: columns),
            [Float](repeating: 0, count: columns)
        )
        for row in 0..<rows {
            expected.withUnsafeMutableBufferPointer { matrix.values(row: row, into: $0) }
            lathe_unpack_row(
                option.packing.kernelPacking, option.packing.groupColumns, packed.bytes, columns, row, &found)
            lathe_unpack_row(LATHE_F32, 0, plain.bytes, columns, row, &copied)
            #expect(found == expected && copied == expected)
        }
    }
}
