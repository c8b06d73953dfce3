import Kernels
import Testing

/// Input rows of one product, in the form that the packing asks for, beside the values they stand for.
final class ProductInput {
    let stride: Int
    let bytes: UnsafeMutableRawBufferPointer
    let values: [[Double]]

    init(packing: lathe_packing, rows: Int, columns: Int, extreme: Bool, random: inout RandomSource) {
        stride = packing.isFloat ? columns * 4 + 12 : lathe_quantized_row_bytes(columns)
        bytes = .allocate(byteCount: rows * stride, alignment: 64)
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
        var logical: [[Double]] = []
        for row in 0..<rows {
            let start = row * stride
            var rowValues: [Double] = []
            if packing.isFloat {
                for (k, value) in random.floats(columns, size: 4).enumerated() {
                    bytes.storeBytes(of: value, toByteOffset: start + k * 4, as: Float.self)
                    rowValues.append(Double(value))
                }
            } else {
                for group in 0..<columns / 32 {
                    let scale = random.float()
                    var sum: Int32 = 0
                    let extremes: [Int32] = group % 2 == 0 ? [127, 127] : [-127, 127]
                    for k in group * 32..<group * 32 + 32 {
                        let value =
                            extreme ? extremes[Int(random.bits() % 2)] : Int32(random.bits() % 255) - 127
                        bytes.storeBytes(of: Int8(value), toByteOffset: start + k, as: Int8.self)
                        rowValues.append(Double(scale) * Double(value))
                        sum += value
                    }
                    bytes.storeBytes(of: scale, toByteOffset: start + columns + group * 4, as: Float.self)
                    let sums = start + columns + columns / 32 * 4
                    bytes.storeBytes(of: sum, toByteOffset: sums + group * 4, as: Int32.self)
                }
            }
            logical.append(rowValues)
        }
        values = logical
    }

    deinit { bytes.deallocate() }

    func start(row: Int) -> UnsafePointer<UInt8>? {
        UnsafeRawPointer(bytes.baseAddress)?.advanced(by: row * stride).assumingMemoryBound(to: UInt8.self)
    }
}

/// One product and everything it reads.
struct ProductCase {
    let weights: WeightMatrix
    let input: ProductInput
    let bias: [Float]
    let before: [Float]
    let outputs: Int
    let columns: Int
    static let gap = 3

    init(format: Format, rows: Int, outputs: Int, columns: Int, extreme: Bool, random: inout RandomSource) {
        weights = WeightMatrix(
            format: format, outputs: outputs, columns: columns, extreme: extreme, random: &random)
        input = ProductInput(packing: format.packing, rows: rows, columns: columns, extreme: extreme, random: &random)
        bias = random.floats(outputs, size: 10)
        before = random.floats(rows * (outputs + ProductCase.gap), size: 10)
        self.outputs = outputs
        self.columns = columns
    }

    /// The output memory after the product; it starts as `before`.
    func run(
        _ kernels: AvailableKernels, rows: Range<Int>, hasBias: Bool = false, accumulate: Bool = false,
        tiles: Range<Int>? = nil
    ) -> [Float] {
        var output = before
        let stride = outputs + ProductCase.gap
        let tiles = tiles ?? 0..<(outputs + 15) / 16
        bias.withUnsafeBufferPointer { bias in
            output.withUnsafeMutableBufferPointer { output in
                var product = lathe_product(
                    weights: weights.start, outputs: outputs, columns: columns,
                    group: weights.format.group, input: input.start(row: rows.lowerBound),
                    input_stride: input.stride, rows: rows.count,
                    output: output.baseAddress?.advanced(by: rows.lowerBound * stride), output_stride: stride,
                    bias: hasBias ? bias.baseAddress : nil, accumulate: accumulate, tile_begin: tiles.lowerBound,
                    tile_end: tiles.upperBound)
                productFunction(kernels.table, weights.format.packing)?(&product)
            }
        }
        return output
    }
}

private func productFunction(_ table: lathe_kernels, _ packing: lathe_packing) -> lathe_product_function? {
    withUnsafeBytes(of: table.product) { $0.bindMemory(to: lathe_product_function?.self)[Int(packing.rawValue)] }
}

struct ProductTests {
    static let rowCounts = Array(1...9) + [17]
    static let outputCounts = [1, 15, 16, 17, 48, 50]

    static func columnCounts(_ packing: lathe_packing) -> [Int] {
        packing.isFloat ? [1, 3, 31, 65] : [32, 96, 160, 288]
    }

    @Test(arguments: Format.all)
    func `the scalar product is the weighted sum`(format: Format) {
        var random = RandomSource(11)
        for columns in ProductTests.columnCounts(format.packing) {
            let one = ProductCase(
                format: format, rows: 3, outputs: 50, columns: columns, extreme: false, random: &random)
            for (hasBias, accumulate) in [(false, false), (true, false), (false, true), (true, true)] {
                let result = one.run(.scalar, rows: 0..<3, hasBias: hasBias, accumulate: accumulate)
                for row in 0..<3 {
                    for output in 0..<50 {
                        let terms = (0..<columns).map {
                            one.weights.rows[output].weight($0, format: format) * one.input.values[row][$0]
                        }
                        let at = row * (50 + ProductCase.gap) + output
                        let exact =
                            terms.reduce(0, +) + (hasBias ? Double(one.bias[output]) : 0)
                            + (accumulate ? Double(one.before[at]) : 0)
                        // An affine group's parts cancel, so its size is what its largest code would give.
                        let size = terms.map(abs).reduce(20, +) + (format.packing.isFloat ? 0 : Double(columns) * 8000)
                        #expect(abs(Double(result[at]) - exact) <= size * 0x1p-22)
                    }
                }
            }
        }
    }

    @Test(arguments: Format.integers)
    func `the scalar integer product rounds once or twice for 32 columns`(format: Format) {
        var random = RandomSource(12)
        let one = ProductCase(
            format: format, rows: 1, outputs: 16, columns: 224, extreme: false, random: &random)
        let result = one.run(.scalar, rows: 0..<1)
        for output in 0..<16 {
            var sum: Float = 0
            for block in 0..<7 {
                let row = one.weights.rows[output]
                let columns = block * 32..<block * 32 + 32
                let activations = columns.map { Int(one.input.bytes.load(fromByteOffset: $0, as: Int8.self)) }
                let dot = zip(columns, activations).reduce(0) {
                    $0 + format.packing.level(row.codes[$1.0]) * $1.1
                }
                let scale = one.input.bytes.load(fromByteOffset: 224 + block * 4, as: Float.self)
                let group = block * 32 / format.group
                sum.addProduct(Float(dot), Float(halfValue(row.scales[group])) * scale)
                if format.packing.isAffine {
                    let minimum = Float(halfValue(row.minimums[group]))
                    sum.addProduct(minimum, scale * Float(activations.reduce(0, +)))
                }
            }
            #expect(result[output].bitPattern == sum.bitPattern)
        }
    }

    @Test(arguments: AvailableKernels.vector, Format.all)
    func `products have the scalar bits for every tail`(kernels: AvailableKernels, format: Format) {
        var random = RandomSource(13)
        for (index, columns) in ProductTests.columnCounts(format.packing).enumerated() {
            for outputs in ProductTests.outputCounts {
                let one = ProductCase(
                    format: format, rows: 17, outputs: outputs, columns: columns, extreme: index == 1,
                    random: &random)
                for rows in ProductTests.rowCounts {
                    for (hasBias, accumulate) in [(false, false), (true, false), (false, true), (true, true)] {
                        let expected = one.run(.scalar, rows: 0..<rows, hasBias: hasBias, accumulate: accumulate)
                        let result = one.run(kernels, rows: 0..<rows, hasBias: hasBias, accumulate: accumulate)
                        #expect(result.bitPatterns == expected.bitPatterns, "\(rows) rows \(outputs) \(columns)")
                    }
                }
            }
        }
    }

    @Test(arguments: AvailableKernels.all, Format.all)
    func `a row's bits do not depend on the other rows`(kernels: AvailableKernels, format: Format) {
        var random = RandomSource(14)
        let columns = format.packing.isFloat ? 65 : 96
        let one = ProductCase(
            format: format, rows: 17, outputs: 50, columns: columns, extreme: false, random: &random)
        let stride = 50 + ProductCase.gap
        for rows in ProductTests.rowCounts {
            let batch = one.run(kernels, rows: 0..<rows, hasBias: true)
            for row in 0..<rows {
                let alone = one.run(kernels, rows: row..<row + 1, hasBias: true)
                let range = row * stride..<row * stride + 50
                #expect(Array(alone[range]).bitPatterns == Array(batch[range]).bitPatterns)
            }
        }
    }

    @Test(arguments: AvailableKernels.all, Format.all)
    func `only the tiles asked for are written`(kernels: AvailableKernels, format: Format) {
        var random = RandomSource(15)
        let columns = format.packing.isFloat ? 31 : 64
        let one = ProductCase(
            format: format, rows: 3, outputs: 50, columns: columns, extreme: false, random: &random)
        let whole = one.run(kernels, rows: 0..<3)
        for tiles in [0..<0, 0..<1, 1..<3, 2..<4, 3..<4, 3..<9, 4..<9] {
            let part = one.run(kernels, rows: 0..<3, tiles: tiles)
            for (at, value) in part.enumerated() {
                let output = at % (50 + ProductCase.gap)
                let isWritten = output < 50 && tiles.contains(output / 16)
                #expect(value.bitPattern == (isWritten ? whole : one.before)[at].bitPattern)
            }
        }
    }

    @Test(arguments: AvailableKernels.vector, Format.all)
    func `more weights than one panel keep the scalar bits`(kernels: AvailableKernels, format: Format) {
        var random = RandomSource(16)
        let one = ProductCase(
            format: format, rows: 7, outputs: 235, columns: 1120, extreme: false, random: &random)
        #expect(one.run(kernels, rows: 0..<7).bitPatterns == one.run(.scalar, rows: 0..<7).bitPatterns)
    }

    /// Of 20 rows the first block is smaller than the second, which is interleaved over as many columns.
    @Test(arguments: AvailableKernels.vector, Format.integers)
    func `blocks of several sizes over many columns keep the scalar bits`(kernels: AvailableKernels, format: Format) {
        var random = RandomSource(17)
        let one = ProductCase(
            format: format, rows: 20, outputs: 40, columns: 2816, extreme: true, random: &random)
        #expect(one.run(kernels, rows: 0..<20).bitPatterns == one.run(.scalar, rows: 0..<20).bitPatterns)
    }
}
