import Decoding
import Foundation
import Kernels
import Lowering
import Plans
import Testing

@testable import Checkpoints

@Suite("What becomes of weights in a plan")
struct KeepsValuesTests {
    /// Heads of Q and K in the quantized golden.
    private static func heads(_ name: String) -> Int? {
        name.hasSuffix("attn_q.weight") ? 4 : name.hasSuffix("attn_k.weight") ? 2 : nil
    }

    /// One row of a matrix of a plan, and where it came from.
    private struct PackedRow {
        let name: String
        let type: ElementType
        let stored: [Float]
        /// As the kernels' definition recovers it.
        let recovered: [Float]
        /// One for every group of 32; empty for float packings.
        let scales: [Float]
    }

    private static func rows(of model: TestModel) throws -> [PackedRow] {
        let stored = StoredRows.all(of: model.lowered, heads: heads)
        var rows: [PackedRow] = []
        for tensor in model.plan.program.tensors {
            guard case .matrix(let packing, let rowCount, let columns) = tensor.layout else { continue }
            let name = String(decoding: tensor.name, as: UTF8.self)
            let sources = try #require(stored[name])
            #expect(sources.sources.count == rowCount)
            let base = try #require(model.plan.weights.baseAddress) + tensor.offset
            let bytes = base.assumingMemoryBound(to: UInt8.self)
            for row in 0..<rowCount {
                var recovered = [Float](repeating: .nan, count: columns)
                lathe_unpack_row(packing.kernelPacking, packing.groupColumns, bytes, columns, row, &recovered)
                let type = try #require(sources.sources[row].weight.keptType)
                rows.append(
                    PackedRow(
                        name: name, type: type, stored: sources.values(row),
                        recovered: recovered, scales: packing.isFloat ? [] : scales(packing, bytes, columns, row)))
            }
        }
        return rows
    }

    private static func scales(
        _ packing: Packing, _ weights: UnsafePointer<UInt8>, _ columns: Int, _ row: Int
    ) -> [Float] {
        var codes = [UInt8](repeating: 0, count: columns)
        var scales = [UInt16](repeating: 0, count: columns / Packing.blockColumns)
        var minimums = scales
        codes.withUnsafeMutableBufferPointer { codes in
            scales.withUnsafeMutableBufferPointer { scales in
                minimums.withUnsafeMutableBufferPointer { minimums in
                    var destination = lathe_weight_row(
                        values: nil, codes: codes.baseAddress, scales: scales.baseAddress,
                        minimums: minimums.baseAddress)
                    let tile =
                        row / Packing.tileRows * lathe_tile_bytes(packing.kernelPacking, packing.groupColumns, columns)
                    lathe_extract_row(
                        packing.kernelPacking, packing.groupColumns, weights + tile, columns, row % Packing.tileRows,
                        &destination)
                }
            }
        }
        return scales.map { lathe_f16_to_f32($0) }
    }

    private static func golden(_ precision: WeightPrecision) throws -> [PackedRow] {
        try rows(of: TestModel(TestModel.resource("quantized/model.gguf"), precision: precision))
    }

    private static func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

    @Test("keep: every weight of every stored type comes back bit for bit")
    func keeps() throws {
        var seen: Set<ElementType> = []
        for row in try KeepsValuesTests.golden(.keep) {
            seen.insert(row.type)
            #expect(KeepsValuesTests.bits(row.recovered) == KeepsValuesTests.bits(row.stored), "\(row.name)")
        }
        #expect(seen == Set(ElementType.allCases))
    }

    @Test("keep: so does every finite value that a type can hold, zeros of both signs and subnormals among them")
    func keepsExtremes() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "lathe-test-\(UUID().uuidString).gguf")
        defer { try? FileManager.default.removeItem(at: file) }
        try KeepsValuesTests.extremeCheckpoint().write(to: file)
        var (negativeZeros, subnormals): (Set<ElementType>, Set<ElementType>) = ([], [])
        for row in try KeepsValuesTests.rows(of: TestModel(file.path, precision: .keep)) {
            if row.stored.contains(where: { $0.bitPattern == 0x8000_0000 }) { negativeZeros.insert(row.type) }
            let smallest: Float = row.type == .float16 ? 0x1p-14 : 0x1p-126
            if row.stored.contains(where: { $0 != 0 && abs($0) < smallest }) { subnormals.insert(row.type) }
            #expect(KeepsValuesTests.bits(row.recovered) == KeepsValuesTests.bits(row.stored), "\(row.name)")
        }
        // A sum with a minimum of +0 or another value has no -0; blocks' numbers are of f16, whose least is a float.
        #expect(negativeZeros.isSuperset(of: [.float32, .float16, .bfloat16, .q4_0, .q5_0, .q8_0]))
        #expect(subnormals == [.float32, .float16, .bfloat16])
    }

    /// The quantized golden with matrices of random bits, all finite, an eighth of the numbers zeros or subnormal.
    private static func extremeCheckpoint() throws -> Data {
        let path = TestModel.resource("quantized/model.gguf")
        let checkpoint = try Checkpoint.open(path)
        var data = try Data(contentsOf: URL(filePath: path))
        var random = RandomSource(seed: 3)
        for name in checkpoint.tensorNames {
            guard let entry = try checkpoint.tensor(name), entry.shape.count == 2 else { continue }
            var bytes: [UInt8] = (0..<entry.byteCount).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            let (size, count) = numbers(of: entry.type)
            // The last bit of the exponent in a number's last byte: without it, no exponent is all ones.
            let exponentBit: UInt8 = [.float32, .bfloat16].contains(entry.type) ? 0x01 : 0x04
            for block in stride(from: 0, to: bytes.count, by: entry.type.blockBytes) {
                for end in stride(from: block + size, through: block + size * count, by: size) {
                    bytes[end - 1] &= ~exponentBit
                    switch random.next() % 16 {
                    case 0:
                        for index in end - size..<end - 1 { bytes[index] = 0 }
                        bytes[end - 1] = 0x80
                    case 1:
                        bytes[end - 1] &= 0x80
                        bytes[end - 2] = bytes[end - 2] & 0x7F | 1
                    default: break
                    }
                }
            }
            data.replaceSubrange(entry.offset..<entry.offset + entry.byteCount, with: bytes)
        }
        return data
    }

    /// Floats that begin a block: bytes of one, and how many.
    private static func numbers(of type: ElementType) -> (size: Int, count: Int) {
        switch type {
        case .float32: (4, 1)
        case .float16, .bfloat16, .q4_0, .q5_0, .q8_0: (2, 1)
        case .q4_1, .q5_1: (2, 2)
        }
    }

    @Test("f32: every weight comes back bit for bit")
    func float32() throws {
        for row in try KeepsValuesTests.golden(.f32) {
            #expect(KeepsValuesTests.bits(row.recovered) == KeepsValuesTests.bits(row.stored), "\(row.name)")
        }
    }

    @Test("bf16: every weight becomes the nearest bfloat16, the even one of two")
    func bfloat16() throws {
        for row in try KeepsValuesTests.golden(.bf16) {
            for (found, stored) in zip(row.recovered, row.stored) {
                #expect(found.bitPattern & 0xFFFF == 0)
                // Half the distance of bfloat16s in the stored value's binade: 2^7 steps of it.
                let error = abs(Double(found) - Double(stored))
                let half = stored == 0 ? 0 : Double(abs(stored).binade) / 256
                #expect(error <= half)
                if error == half { #expect(found.bitPattern >> 16 & 1 == 0) }
            }
        }
    }

    @Test(
        "w8 to w2: every weight is within half a step of what it was",
        arguments: [
            (WeightPrecision.w8, Float(254)), (.w6, 62), (.w5, 30), (.w4, 15), (.w3, 7), (.w2, 3),
        ])
    func groups(precision: WeightPrecision, steps: Float) throws {
        for row in try KeepsValuesTests.golden(precision) {
            // What the checkpoint holds in this packing already is taken over with its own scales.
            if KeepsValuesTests.bits(row.recovered) == KeepsValuesTests.bits(row.stored) { continue }
            for (group, scale) in row.scales.enumerated() {
                let columns = group * Packing.blockColumns..<(group + 1) * Packing.blockColumns
                let (lowest, highest) = (row.stored[columns].min() ?? 0, row.stored[columns].max() ?? 0)
                // The step is what the group needs: its range, or its largest magnitude, over the codes that there are.
                let range = precision == .w4 ? highest - lowest : 2 * max(-lowest, highest)
                let step = range / steps
                // Odd levels lie two scales apart.
                let scale = precision == .w3 || precision == .w2 ? 2 * scale : scale
                #expect(abs(scale - step) <= step * 0x1p-9, "\(row.name)")
                for column in columns {
                    // The f16 of scale and minimum are a little off where they were rounded.
                    let slack = (abs(row.stored[column]) + abs(lowest)) * 0x1p-11
                    #expect(abs(row.recovered[column] - row.stored[column]) <= scale / 2 + slack, "\(row.name)")
                }
            }
            #expect(row.scales.count == row.stored.count / Packing.blockColumns)
        }
    }
}
