import Kernels
import Testing

struct QuantizeTests {
    static func quantize(_ kernels: AvailableKernels, _ x: [Float]) -> [UInt8] {
        let row = UnsafeMutableRawBufferPointer.allocate(
            byteCount: lathe_quantized_row_bytes(x.count), alignment: 64)
        defer { row.deallocate() }
        row.initializeMemory(as: UInt8.self, repeating: 0)
        kernels.table.quantize_row(x, x.count, row.baseAddress?.assumingMemoryBound(to: UInt8.self))
        return Array(row)
    }

    static let sizes: [Float] = [1, 127, 0x1p-99, 0x1p-100, 0x1p-101, 0x1p-140, 0x1p+126, 0]

    @Test func `a row's bytes are rounded up to a cache line`() {
        #expect(lathe_quantized_row_bytes(1) == 64)
        #expect(lathe_quantized_row_bytes(32) == 64)
        #expect(lathe_quantized_row_bytes(64) == 128)
        #expect(lathe_quantized_row_bytes(576) == 576 / 32 * 40 + 48)
    }

    @Test(arguments: sizes)
    func `the scalar quantization is the nearest integer to each value`(size: Float) {
        var random = RandomSource(21)
        for columns in [1, 31, 32, 33, 70, 96] {
            let x = random.floats(columns, size: size)
            let row = QuantizeTests.quantize(.scalar, x)
            let padded = (columns + 31) / 32 * 32
            row.withUnsafeBytes { row in
                for group in 0..<padded / 32 {
                    let values = x[group * 32..<min(columns, group * 32 + 32)]
                    let largest = values.map(abs).max() ?? 0
                    let isZero = largest < 0x1p-100
                    let scale = row.load(fromByteOffset: padded + group * 4, as: Float.self)
                    #expect(scale == (isZero ? 0 : largest / 127))
                    var sum: Int32 = 0
                    for k in group * 32..<group * 32 + 32 {
                        let quantized = row.load(fromByteOffset: k, as: Int8.self)
                        sum += Int32(quantized)
                        let exact = isZero || k >= columns ? 0 : Double(x[k]) * (127 / Double(largest))
                        #expect(abs(Double(quantized) - exact) <= 0.50002)
                    }
                    #expect(row.load(fromByteOffset: padded + padded / 8 + group * 4, as: Int32.self) == sum)
                }
            }
        }
    }

    @Test(arguments: AvailableKernels.all)
    func `ties go to the even integer`(kernels: AvailableKernels) {
        let row = QuantizeTests.quantize(kernels, [127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 63.5, -127])
        #expect(row[..<9].map { Int8(bitPattern: $0) } == [127, 0, 2, 2, 0, -2, -2, 64, -127])
    }

    @Test(arguments: AvailableKernels.vector, sizes)
    func `quantized rows have the scalar bits for every tail`(kernels: AvailableKernels, size: Float) {
        var random = RandomSource(22)
        for columns in 1...130 {
            let x = random.floats(columns, size: size)
            #expect(QuantizeTests.quantize(kernels, x) == QuantizeTests.quantize(.scalar, x), "\(columns)")
        }
    }

    @Test(arguments: AvailableKernels.all)
    func `every half becomes its value and comes back`(kernels: AvailableKernels) {
        let halves = (0..<65536).map { UInt16($0) }
        var floats = [Float](repeating: 0, count: 65536)
        kernels.table.from_f16(halves, 65536, &floats)
        var back = [UInt16](repeating: 0, count: 65536)
        kernels.table.to_f16(floats, 65536, &back)
        for half in halves where half & 0x7c00 != 0x7c00 {
            #expect(Double(floats[Int(half)]) == halfValue(half))
            #expect(back[Int(half)] == half)
        }
        #expect(floats[0x7c00] == .infinity && floats[0xfc00] == -.infinity && floats[0x7e00].isNaN)
    }

    @Test func `a float becomes the nearest half, ties to even`() {
        var random = RandomSource(23)
        for half in stride(from: UInt16(0), to: 0x7bff, by: 7) {
            let (low, high) = (halfValue(half), halfValue(half + 1))
            let middle = Float((low + high) / 2)
            #expect(lathe_f32_to_f16(middle) == half + half % 2)
            #expect(lathe_f32_to_f16(middle.nextDown) == half)
            #expect(lathe_f32_to_f16(middle.nextUp) == half + 1)
            #expect(lathe_f32_to_f16(-middle.nextUp) == 0x8000 | (half + 1))
        }
        #expect(lathe_f32_to_f16(65519.996) == 0x7bff)
        #expect(lathe_f32_to_f16(65520) == 0x7c00)
        #expect(lathe_f32_to_f16(-.infinity) == 0xfc00)
        #expect(lathe_f32_to_f16(random.float(0x1p-26)) & 0x7fff == 0)
    }

    @Test(arguments: AvailableKernels.vector)
    func `halves have the scalar bits for any float and every tail`(kernels: AvailableKernels) {
        var random = RandomSource(24)
        for count in Array(0...50) + [4096] {
            let floats = (0..<count).map { _ in
                Float(bitPattern: random.bits() & 0x87ff_ffff &+ 0x3300_0000)
            }
            var expected = [UInt16](repeating: 0xa5a5, count: count + 16)
            var result = expected
            AvailableKernels.scalar.table.to_f16(floats, count, &expected)
            kernels.table.to_f16(floats, count, &result)
            #expect(result == expected)
            var wide = [Float](repeating: -7, count: count + 16)
            var expectedWide = wide
            AvailableKernels.scalar.table.from_f16(expected, count, &expectedWide)
            kernels.table.from_f16(expected, count, &wide)
            #expect(wide.bitPatterns == expectedWide.bitPatterns)
        }
    }
}
