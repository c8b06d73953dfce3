import Kernels
import Lowering
import Models
import Plans
import Testing

@Suite("Rounding into the integer packings")
struct RoundingTests {
    @Test("every weight is within half a step of what it was", arguments: IntegerCodes.allCases, GroupSize.allCases)
    func halfAStep(codes: IntegerCodes, group: GroupSize) throws {
        let model = try TestModel(TestModel.resource("quantized/model.gguf"), precision: .f32)
        let packing = Packing.integer(codes, group: group)
        var count = 0
        for (name, stored) in StoredRows.all(of: model.lowered, heads: { _ in nil }) {
            // The stored values, in the file's order: nothing scaled, nothing permuted.
            var weights = stored.sources.filter { $0.row == 0 }.map(\.weight)
            for index in weights.indices { weights[index].transforms = [] }
            guard let columns = weights.first?.columns, columns % Packing.blockColumns == 0 else { continue }
            let packer = try #require(TilePacker(packing: packing, stack: weights))
            let bytes = UnsafeMutableRawBufferPointer.allocate(
                byteCount: packer.tileCount * packer.tileBytes, alignment: 64)
            defer { bytes.deallocate() }
            bytes.initializeMemory(as: UInt8.self, repeating: 0)
            try #require(packer.pack(0..<packer.tileCount, into: bytes))
            let start = try #require(bytes.baseAddress).assumingMemoryBound(to: UInt8.self)
            for row in stored.sources.indices {
                var recovered = [Float](repeating: .nan, count: columns)
                lathe_unpack_row(packing.kernelPacking, group.rawValue, start, columns, row, &recovered)
                let values = stored.values(row)
                for first in stride(from: 0, to: columns, by: group.rawValue) {
                    let range = first..<min(first + group.rawValue, columns)
                    RoundingTests.expectNear(recovered[range], values[range], codes, name)
                    count += 1
                }
            }
        }
        #expect(count > 1000)
    }

    private static func expectNear(
        _ recovered: ArraySlice<Float>, _ values: ArraySlice<Float>, _ codes: IntegerCodes, _ name: String
    ) {
        let (lowest, highest) = (values.min() ?? 0, values.max() ?? 0)
        let largest = max(-lowest, highest)
        let levels = Float(1 << codes.bits)
        // From one level to the next: the range of values over the gaps between the levels.
        let step: Float =
            switch codes.grid {
            case .symmetric: largest / (levels / 2 - 1)
            case .centered: 2 * largest / (levels - 1)
            case .affine: (highest - lowest) / (levels - 1)
            }
        // The f16 of scale and minimum are a little off where they were rounded.
        let slack = (largest + abs(lowest)) * 0x1p-10 + 0x1p-20
        for (found, stored) in zip(recovered, values) {
            #expect(abs(found - stored) <= step / 2 + slack, "\(name)")
        }
        if codes.grid == .centered, largest > 0x1p-10 { #expect(!recovered.contains(0), "zero is no level") }
    }
}
