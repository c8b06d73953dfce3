import Glibc
import Kernels
import Testing

/// Value rows of a cache, stored by the scalar kernels, with random weights for several queries.
struct WeighingCase {
    let packing: lathe_packing
    let queries: Int
    let dimensions: Int
    let count: Int
    let weights: [Float]
    let weightStride: Int
    /// What was stored.
    let source: [Float]
    let values: [UInt8]
    let slots: [UInt32]

    init(_ packing: lathe_packing, queries: Int, dimensions: Int, count: Int, random: inout RandomSource) {
        self.packing = packing
        self.queries = queries
        self.dimensions = dimensions
        self.count = count
        weightStride = count + 3
        weights = random.floats(queries * weightStride).map { max(0, $0) }
        source = random.floats(max(1, count) * dimensions)
        var values = [UInt8](repeating: 0, count: max(1, count) * lathe_value_bytes(packing, dimensions))
        AvailableKernels.scalar.table.store_values(packing, source, dimensions, count, dimensions, &values, 0)
        self.values = values
        slots = (0..<count).map { _ in random.bits() % UInt32(max(count, 1)) }
    }

    func sums(_ kernels: AvailableKernels, isListed: Bool) -> [Float] {
        let stride = dimensions + 2
        var result = [Float](repeating: -7, count: queries * stride)
        slots.withUnsafeBufferPointer { list in
            values.withUnsafeBufferPointer { values in
                weights.withUnsafeBufferPointer { weights in
                    result.withUnsafeMutableBufferPointer { result in
                        var operands = lathe_weighted_values()
                        operands.packing = packing
                        operands.dimensions = dimensions
                        operands.values = values.baseAddress
                        operands.slots = isListed ? list.baseAddress : nil
                        operands.count = count
                        operands.weights = weights.baseAddress
                        operands.weight_stride = weightStride
                        operands.queries = queries
                        operands.output = result.baseAddress
                        operands.output_stride = stride
                        kernels.table.weigh_values(&operands)
                    }
                }
            }
        }
        return result
    }
}

struct AttentionTests {
    static let packings = [LATHE_F32, LATHE_F16, LATHE_INT8_SYMMETRIC]
    static let dimensions = [1, 8, 16, 32, 64, 80, 96, 128]

    /// How far a stored value of magnitude below 1 may lie from what was stored.
    static func rounding(_ packing: lathe_packing) -> Double {
        switch packing {
        case LATHE_F32: 0
        case LATHE_F16: 0x1p-11
        default: 0.51 / 127
        }
    }

    @Test func `a value row has a size for the packings of a cache and the dimensions that they allow`() {
        #expect(lathe_value_bytes(LATHE_F32, 3) == 12)
        #expect(lathe_value_bytes(LATHE_F16, 3) == 6)
        #expect(lathe_value_bytes(LATHE_INT8_SYMMETRIC, 64) == 72)
        #expect(lathe_value_bytes(LATHE_INT8_SYMMETRIC, 48) == 0)
        #expect(lathe_value_bytes(LATHE_BF16, 64) == 0)
        #expect(lathe_value_bytes(LATHE_INT4_AFFINE, 64) == 0)
    }

    @Test(arguments: packings, [false, true])
    func `weighted values are sums of what was stored`(packing: lathe_packing, isListed: Bool) {
        var random = RandomSource(42)
        let one = WeighingCase(packing, queries: 3, dimensions: 32, count: 37, random: &random)
        let sums = one.sums(.scalar, isListed: isListed)
        for query in 0..<3 {
            let weights = (0..<37).map { Double(one.weights[query * one.weightStride + $0]) }
            let tolerance = weights.reduce(0, +) * AttentionTests.rounding(packing) + 1e-5
            for d in 0..<32 {
                let exact = (0..<37).reduce(0.0) { sum, i in
                    sum + weights[i] * Double(one.source[(isListed ? Int(one.slots[i]) : i) * 32 + d])
                }
                #expect(abs(Double(sums[query * 34 + d]) - exact) < tolerance)
            }
        }
    }

    @Test func `a weighted sum is never negative zero`() {
        let values: [Float] = [-1, 1]
        var sum: Float = 7
        // The first product underflows to -0.
        let weights: [Float] = [0x1p-149 / 4, 0]
        values.withUnsafeBytes { values in
            weights.withUnsafeBufferPointer { weights in
                var operands = lathe_weighted_values()
                operands.packing = LATHE_F32
                operands.dimensions = 1
                operands.values = values.bindMemory(to: UInt8.self).baseAddress
                operands.weights = weights.baseAddress
                operands.queries = 1
                withUnsafeMutablePointer(to: &sum) { output in
                    operands.output = output
                    for count in 0...2 {
                        operands.count = count
                        for kernels in AvailableKernels.all {
                            kernels.table.weigh_values(&operands)
                            #expect(output.pointee.bitPattern == 0)
                        }
                    }
                }
            }
        }
    }

    @Test(arguments: packings)
    func `keys are stored as rows of a packed matrix`(packing: lathe_packing) {
        var random = RandomSource(46)
        let (dimensions, slots) = (64, 21)
        let source = random.floats(slots * dimensions)
        var keys = [UInt8](repeating: 0, count: 2 * lathe_tile_bytes(packing, 32, dimensions))
        let kernels = AvailableKernels.scalar.table
        kernels.store_keys(packing, source, dimensions, 5, dimensions, &keys, 0)
        Array(source[(5 * dimensions)...]).withUnsafeBufferPointer {
            kernels.store_keys(packing, $0.baseAddress, dimensions, slots - 5, dimensions, &keys, 5)
        }
        var row = [Float](repeating: 0, count: dimensions)
        for slot in 0..<slots {
            lathe_unpack_row(packing, 32, keys, dimensions, slot, &row)
            for d in 0..<dimensions {
                let difference = abs(row[d] - source[slot * dimensions + d])
                #expect(Double(difference) <= AttentionTests.rounding(packing) + 1e-4 * (packing == LATHE_F32 ? 0 : 1))
            }
        }
    }

    @Test(arguments: packings, AvailableKernels.all)
    func `what a cache holds is finite`(packing: lathe_packing, kernels: AvailableKernels) {
        var source = [Float](repeating: 1, count: 32)
        source.replaceSubrange(0..<5, with: [.nan, .infinity, -.infinity, 1e30, -1e30])
        let largest: Float = packing == LATHE_F32 ? .greatestFiniteMagnitude : 65504
        let limit = packing == LATHE_F32 ? [largest, largest, -largest, 1e30, -1e30] : [largest, largest, -largest]
        var keys = [UInt8](repeating: 0, count: lathe_tile_bytes(packing, 32, 32))
        kernels.table.store_keys(packing, source, 32, 1, 32, &keys, 0)
        var row = [Float](repeating: 0, count: 32)
        lathe_unpack_row(packing, 32, keys, 32, 0, &row)
        for (found, expected) in zip(row, limit) {
            // An int8 scale is a half, and so rounded.
            #expect(abs(found - expected) <= (packing == LATHE_INT8_SYMMETRIC ? 32 : 0), "\(found)")
        }
        var values = [UInt8](repeating: 0, count: lathe_value_bytes(packing, 32))
        kernels.table.store_values(packing, source, 32, 1, 32, &values, 0)
        let one = [Float](repeating: 1, count: 1)
        var sums = [Float](repeating: 0, count: 32)
        values.withUnsafeBufferPointer { values in
            one.withUnsafeBufferPointer { one in
                sums.withUnsafeMutableBufferPointer { sums in
                    var operands = lathe_weighted_values()
                    operands.packing = packing
                    operands.dimensions = 32
                    operands.values = values.baseAddress
                    operands.count = 1
                    operands.weights = one.baseAddress
                    operands.queries = 1
                    operands.output = sums.baseAddress
                    kernels.table.weigh_values(&operands)
                }
            }
        }
        for sum in sums { #expect(sum.isFinite) }
        #expect(sums[0] > 60_000 && sums[1] > 60_000 && sums[2] < -60_000)
    }

    @Test func `the softmax of a segment is exponentials of what is visible, and their sum in sixteen partials`() {
        var random = RandomSource(43)
        for (count, begin, end) in [(1, 0, 1), (17, 3, 17), (40, 18, 31), (256, 0, 256), (256, 250, 251)] {
            let x = random.floats((count + 15) / 16 * 16, size: 20)
            let largest = x[begin..<end].max() ?? 0
            var partials = [Float](repeating: 0, count: 16)
            for i in begin..<end { partials[i % 16] += lathe_exp(x[i] - largest) }
            var y = x
            var (found, sum): (Float, Float) = (0, 0)
            AvailableKernels.scalar.table.softmax_segment(
                &y, 256, 1, count, [UInt32(begin)], [UInt32(end)], &found, &sum)
            #expect(found == largest)
            #expect(sum == treeSum(partials))
            for i in y.indices {
                let exact = (begin..<end).contains(i) ? exp(Double(x[i]) - Double(largest)) : 0
                #expect(abs(Double(y[i]) - exact) < 1e-6)
                if !(begin..<end).contains(i) { #expect(y[i].bitPattern == 0) }
            }
        }
    }

    @Test func `segments merged and divided are the softmax of the whole`() {
        var random = RandomSource(47)
        let (positions, dimensions, segment) = (150, 24, 64)
        let scores = random.floats(positions, size: 8)
        let values = random.floats(positions * dimensions)
        let kernels = AvailableKernels.scalar.table
        var (largest, sum): (Float, Float) = (0, 0)
        var output = [Float](repeating: 0, count: dimensions)
        for start in stride(from: 0, to: positions, by: segment) {
            let count = min(segment, positions - start)
            var weights = Array(scores[start..<start + count]) + [Float](repeating: 0, count: 16)
            var (most, total): (Float, Float) = (0, 0)
            kernels.softmax_segment(&weights, 0, 1, count, [0], [UInt32(count)], &most, &total)
            var part = [Float](repeating: 0, count: dimensions)
            for d in 0..<dimensions {
                for i in 0..<count { part[d] += weights[i] * values[(start + i) * dimensions + d] }
            }
            kernels.merge_segment(1, dimensions, [most], [total], part, &largest, &sum, &output)
            // A segment of which nothing is visible changes nothing.
            let before = output
            kernels.merge_segment(1, dimensions, [1000], [0], part, &largest, &sum, &output)
            #expect(before == output)
        }
        let finished = output
        kernels.finish_attention(finished, sum, dimensions, &output)
        let exponentials = scores.map { exp(Double($0)) }
        let total = exponentials.reduce(0, +)
        for d in 0..<dimensions {
            let exact = (0..<positions).reduce(0.0) { $0 + exponentials[$1] * Double(values[$1 * dimensions + d]) }
            #expect(abs(Double(output[d]) - exact / total) < 1e-6)
        }
    }

    @Test(arguments: AvailableKernels.vector)
    func `the softmax of a segment has the scalar bits for every visible range`(kernels: AvailableKernels) {
        var random = RandomSource(44)
        for count in 1...70 {
            let stride = (count + 15) / 16 * 16
            let begins = (0..<5).map { _ in random.bits() % UInt32(count + 1) }
            let ends = (0..<5).map { _ in random.bits() % UInt32(count + 1) }
            for size: Float in [1, 30, 200] {
                var x = random.floats(5 * stride, size: size)
                var y = x
                var (most, sums) = ([Float](repeating: -1, count: 5), [Float](repeating: -1, count: 5))
                var (found, foundSums) = (most, sums)
                AvailableKernels.scalar.table.softmax_segment(
                    &x, stride, 5, count, begins, ends, &most, &sums)
                kernels.table.softmax_segment(&y, stride, 5, count, begins, ends, &found, &foundSums)
                #expect(x.bitPatterns == y.bitPatterns, "\(count)")
                #expect(most.bitPatterns == found.bitPatterns)
                #expect(sums.bitPatterns == foundSums.bitPatterns)
            }
        }
    }

    @Test(arguments: AvailableKernels.vector, dimensions)
    func `weighted values have the scalar bits for every tail`(kernels: AvailableKernels, dimensions: Int) {
        var random = RandomSource(45)
        let shapes = (0...40).map { ($0 % 9 + 1, $0) } + (1...9).map { ($0, 150) } + [(24, 256)]
        for packing in AttentionTests.packings where lathe_value_bytes(packing, dimensions) > 0 {
            for (queries, count) in shapes {
                let one = WeighingCase(packing, queries: queries, dimensions: dimensions, count: count, random: &random)
                for isListed in [false, true] {
                    let sums = one.sums(kernels, isListed: isListed)
                    let expected = one.sums(.scalar, isListed: isListed)
                    #expect(sums.bitPatterns == expected.bitPatterns, "\(queries) \(count)")
                }
            }
        }
    }
}
