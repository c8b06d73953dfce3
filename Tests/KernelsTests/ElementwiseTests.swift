import Glibc
import Kernels
import Testing

/// The fixed tree over 16 partial sums, by its definition.
func treeSum(_ partials: [Float]) -> Float {
    var sums = partials
    for apart in [8, 4, 2, 1] {
        for i in 0..<apart { sums[i] += sums[i + apart] }
    }
    return sums[0]
}

struct ElementwiseTests {
    @Test func `the exponential is within one unit in the last place`() {
        var x: Float = -87.33654
        var worst = 0.0
        while x < 88.7228 {
            let exact = exp(Double(x))
            let result = lathe_exp(x)
            worst = max(worst, abs(Double(result) - exact) / Double(Float(exact).ulp))
            x += 0.001_37
        }
        #expect(worst <= 1)
    }

    @Test func `the exponential is exact at zero and saturates at both ends`() {
        let lowest = Float(bitPattern: 0xc2ae_ac4f)
        let highest = Float(bitPattern: 0x42b1_7218)
        #expect(lathe_exp(0) == 1 && lathe_exp(-0.0) == 1)
        #expect(lathe_exp(lowest) >= .leastNormalMagnitude && lathe_exp(lowest.nextDown) == 0)
        #expect(lathe_exp(highest.nextDown) < .greatestFiniteMagnitude)
        #expect(lathe_exp(highest) == .greatestFiniteMagnitude)
        #expect(lathe_exp(-.infinity) == 0 && lathe_exp(.infinity) == .greatestFiniteMagnitude)
    }

    @Test func `rotary angles are exact to well under 1e-7`() {
        var random = RandomSource(31)
        let frequencies = (0..<64).map { Float(pow(10000, -Double($0) / 64)) } + [1, 0.999, 0]
        let positions = [0, 1, 2, 3, 511, 4096, 131_071, 999_999, 1_000_000].map { UInt32($0) }
        var cosines = [Float](repeating: 0, count: frequencies.count)
        var sines = cosines
        for position in positions + (0..<200).map({ _ in random.bits() % 1_000_000 }) {
            lathe_rotary_row(position, frequencies, frequencies.count, 1, &cosines, &sines)
            for (i, frequency) in frequencies.enumerated() {
                let angle = Double(Float(position) * frequency)
                #expect(abs(Double(cosines[i]) - cos(angle)) < 6e-8)
                #expect(abs(Double(sines[i]) - sin(angle)) < 6e-8)
            }
        }
        lathe_rotary_row(5, frequencies, 1, 1.25, &cosines, &sines)
        #expect(cosines[0] == Float(cos(5.0) * 1.25) && sines[0] == Float(sin(5.0) * 1.25))
    }

    @Test func `the scalar norm sums into sixteen partials and a fixed tree`() {
        var random = RandomSource(32)
        for n in [1, 2, 15, 16, 17, 64, 100, 577] {
            let (x, weight) = (random.floats(n, size: 3), random.floats(n, size: 2))
            var partials = [Float](repeating: 0, count: 16)
            for (i, value) in x.enumerated() { partials[i % 16].addProduct(value, value) }
            let r = 1 / (treeSum(partials) / Float(n) + 1e-5).squareRoot()
            var y = [Float](repeating: 0, count: n)
            AvailableKernels.scalar.table.rms_norm(x, weight, n, 1e-5, &y)
            #expect(y.bitPatterns == zip(x, weight).map { ($0 * r) * $1 }.bitPatterns)

            let mean = x.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(n)
            AvailableKernels.scalar.table.rms_norm(x, nil, n, 1e-5, &y)
            for (value, result) in zip(x, y) {
                #expect(abs(Double(result) - Double(value) / (mean + 1e-5).squareRoot()) < 2e-6)
            }
        }
    }

    @Test func `the scalar gate is the sigmoid-weighted product`() {
        var random = RandomSource(33)
        let (gate, up) = (random.floats(500, size: 30), random.floats(500, size: 2))
        var y = [Float](repeating: 0, count: 500)
        AvailableKernels.scalar.table.silu_gate(gate, up, 500, &y)
        for i in 0..<500 {
            let exact = Double(gate[i]) / (1 + exp(-Double(gate[i]))) * Double(up[i])
            #expect(abs(Double(y[i]) - exact) <= abs(exact) * 4e-7)
        }
    }

    @Test func `the scalar rotation turns each pair by its angle`() {
        var random = RandomSource(34)
        let angles = random.floats(20, size: 3)
        let x = random.floats(40)
        var y = x
        AvailableKernels.scalar.table.rotate(
            &y, 20, angles.map { Float(cos(Double($0))) }, angles.map { Float(sin(Double($0))) })
        for i in 0..<20 {
            let (a, b, angle) = (Double(x[i]), Double(x[i + 20]), Double(angles[i]))
            #expect(abs(Double(y[i]) - (a * cos(angle) - b * sin(angle))) < 3e-7)
            #expect(abs(Double(y[i + 20]) - (b * cos(angle) + a * sin(angle))) < 3e-7)
        }
    }

    @Test(arguments: AvailableKernels.vector)
    func `norms have the scalar bits for every tail`(kernels: AvailableKernels) {
        var random = RandomSource(35)
        for n in 1...100 {
            let (x, weight) = (random.floats(n, size: 3), random.floats(n))
            var expected = [Float](repeating: 0, count: n)
            var result = expected
            AvailableKernels.scalar.table.rms_norm(x, nil, n, 1e-6, &expected)
            kernels.table.rms_norm(x, nil, n, 1e-6, &result)
            #expect(result.bitPatterns == expected.bitPatterns)
            AvailableKernels.scalar.table.rms_norm(x, weight, n, 1e-6, &expected)
            result = x
            result.withUnsafeMutableBufferPointer {
                kernels.table.rms_norm($0.baseAddress, weight, n, 1e-6, $0.baseAddress)
            }
            #expect(result.bitPatterns == expected.bitPatterns)
        }
    }

    @Test(arguments: AvailableKernels.vector)
    func `gates and rotations have the scalar bits for every tail`(kernels: AvailableKernels) {
        var random = RandomSource(36)
        for n in Array(1...70) + [5000] {
            let (gate, up) = (random.floats(n, size: 100), random.floats(n))
            var expected = [Float](repeating: -7, count: n + 16)
            var result = expected
            AvailableKernels.scalar.table.silu_gate(gate, up, n, &expected)
            kernels.table.silu_gate(gate, up, n, &result)
            #expect(result.bitPatterns == expected.bitPatterns)

            var x = random.floats(2 * n)
            var y = x
            AvailableKernels.scalar.table.rotate(&x, n, gate, up)
            kernels.table.rotate(&y, n, gate, up)
            #expect(x.bitPatterns == y.bitPatterns)
        }
    }
}
