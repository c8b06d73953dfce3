import Glibc
import Kernels
import Testing

/// Operands of one attention step in both cache precisions.
struct AttentionCase {
    let heads: Int
    let dimensions: Int
    let count: Int
    let rows: [Float]
    let rowStride: Int
    let wide: [Float]
    let narrow: [UInt16]
    let slots: [UInt32]

    init(heads: Int, dimensions: Int, count: Int, rowLength: Int, random: inout RandomSource) {
        self.heads = heads
        self.dimensions = dimensions
        self.count = count
        rowStride = rowLength + 3
        rows = random.floats(heads * rowStride)
        let elements = (count + 15) / 16 * 16 * dimensions
        wide = random.floats(elements)
        narrow = random.halves(elements)
        slots = (0..<count).map { _ in random.bits() % UInt32(max(count, 1)) }
    }

    func scores(_ kernels: AvailableKernels, isNarrow: Bool) -> [Float] {
        let stride = (count + 15) / 16 * 16 + 2
        var result = [Float](repeating: -7, count: heads * stride)
        if isNarrow {
            kernels.table.scores_f16(rows, rowStride, heads, narrow, dimensions, count, 0.11, &result, stride)
        } else {
            kernels.table.scores_f32(rows, rowStride, heads, wide, dimensions, count, 0.11, &result, stride)
        }
        for head in 0..<heads {
            for slot in count..<max(count, stride - 2) { result[head * stride + slot] = 0 }  // unspecified
        }
        return result
    }

    func values(_ kernels: AvailableKernels, isNarrow: Bool, isListed: Bool) -> [Float] {
        let stride = dimensions + 2
        var result = [Float](repeating: -7, count: heads * stride)
        slots.withUnsafeBufferPointer { list in
            let slots = isListed ? list.baseAddress : nil
            if isNarrow {
                kernels.table.values_f16(rows, rowStride, heads, narrow, dimensions, slots, count, &result, stride)
            } else {
                kernels.table.values_f32(rows, rowStride, heads, wide, dimensions, slots, count, &result, stride)
            }
        }
        return result
    }
}

struct AttentionTests {
    static let dimensions = [1, 8, 16, 64, 80, 96, 128]

    @Test(arguments: [false, true])
    func `scalar scores are scaled products of queries and keys`(isNarrow: Bool) {
        var random = RandomSource(41)
        let one = AttentionCase(heads: 3, dimensions: 64, count: 37, rowLength: 64, random: &random)
        let scores = one.scores(.scalar, isNarrow: isNarrow)
        for head in 0..<3 {
            for slot in 0..<37 {
                let exact = (0..<64).reduce(0.0) { sum, d in
                    let at = (slot / 16 * 64 + d) * 16 + slot % 16
                    let key = isNarrow ? halfValue(one.narrow[at]) : Double(one.wide[at])
                    return sum + Double(one.rows[head * one.rowStride + d]) * key
                }
                #expect(abs(Double(scores[head * 50 + slot]) - 0.11 * exact) < 1e-5)
            }
        }
    }

    @Test(arguments: [false, true], [false, true])
    func `scalar values are sums weighted by probability`(isNarrow: Bool, isListed: Bool) {
        var random = RandomSource(42)
        let one = AttentionCase(heads: 3, dimensions: 24, count: 37, rowLength: 37, random: &random)
        let values = one.values(.scalar, isNarrow: isNarrow, isListed: isListed)
        for head in 0..<3 {
            for d in 0..<24 {
                let exact = (0..<37).reduce(0.0) { sum, i in
                    let at = (isListed ? Int(one.slots[i]) : i) * 24 + d
                    let value = isNarrow ? halfValue(one.narrow[at]) : Double(one.wide[at])
                    return sum + Double(one.rows[head * one.rowStride + i]) * value
                }
                #expect(abs(Double(values[head * 26 + d]) - exact) < 1e-5)
            }
        }
    }

    @Test func `the scalar softmax is the normalized exponential, summed in sixteen partials`() {
        var random = RandomSource(43)
        for n in [1, 2, 16, 17, 40, 1000] {
            let x = random.floats(n, size: 20)
            let largest = x.max() ?? 0
            var partials = [Float](repeating: 0, count: 16)
            for (i, value) in x.enumerated() { partials[i % 16] += lathe_exp(value - largest) }
            let inverse = 1 / treeSum(partials)
            var y = x
            AvailableKernels.scalar.table.softmax(&y, n)
            #expect(y.bitPatterns == x.map { lathe_exp($0 - largest) * inverse }.bitPatterns)
            let total = x.reduce(0.0) { $0 + exp(Double($1) - Double(largest)) }
            for (value, result) in zip(x, y) {
                #expect(abs(Double(result) - exp(Double(value) - Double(largest)) / total) < 1e-6)
            }
        }
    }

    @Test(arguments: AvailableKernels.vector)
    func `softmax has the scalar bits for every tail, negative infinity included`(kernels: AvailableKernels) {
        var random = RandomSource(44)
        for n in 1...100 {
            for size: Float in [1, 30, 200] {
                var x = random.floats(n, size: size)
                if n > 1 && size == 200 { x[n - 1] = -.infinity }
                var y = x
                AvailableKernels.scalar.table.softmax(&x, n)
                kernels.table.softmax(&y, n)
                #expect(x.bitPatterns == y.bitPatterns, "\(n)")
                if n > 1 && size == 200 { #expect(y[n - 1] == 0) }
            }
        }
    }

    @Test(arguments: AvailableKernels.vector, dimensions)
    func `attention has the scalar bits for every tail`(kernels: AvailableKernels, dimensions: Int) {
        var random = RandomSource(45)
        let shapes = (0...40).map { ($0 % 9 + 1, $0) } + (1...9).map { ($0, 150) }
        for (heads, count) in shapes {
            let one = AttentionCase(
                heads: heads, dimensions: dimensions, count: count, rowLength: max(dimensions, count),
                random: &random)
            for isNarrow in [false, true] {
                let scores = one.scores(kernels, isNarrow: isNarrow)
                #expect(scores.bitPatterns == one.scores(.scalar, isNarrow: isNarrow).bitPatterns, "\(heads) \(count)")
                for isListed in [false, true] {
                    let values = one.values(kernels, isNarrow: isNarrow, isListed: isListed)
                    let expected = one.values(.scalar, isNarrow: isNarrow, isListed: isListed)
                    #expect(values.bitPatterns == expected.bitPatterns, "\(heads) \(count)")
                }
            }
        }
    }
}
