import Kernels

/// The float32 product of the best instruction set; all of them give the same bits.
struct ProductKernel: Sendable {
    /// Rows of one packed tile, and the width of the strips that matrices are worked on in.
    static let tile = Int(LATHE_TILE_ROWS)

    private let function: lathe_product_function
    private let toHalf: @convention(c) (UnsafePointer<Float>?, Int, UnsafeMutablePointer<UInt16>?) -> Void
    private let fromHalf: @convention(c) (UnsafePointer<UInt16>?, Int, UnsafeMutablePointer<Float>?) -> Void

    init() throws(QuantizationError) {
        guard let kernels = lathe_kernels_for(lathe_best_isa()), let function = kernels.pointee.product.0,
            let toHalf = kernels.pointee.to_f16, let fromHalf = kernels.pointee.from_f16
        else { throw .noKernels }
        self.function = function
        self.toHalf = toHalf
        self.fromHalf = fromHalf
    }

    /// `count` rounded up to whole tiles.
    static func padded(_ count: Int) -> Int { (count + tile - 1) / tile * tile }

    /// output[r][n] = sum over k of tile(n)[k] * input[r][k], plus what the output holds where `accumulates` is set.
    /// `tiles` lie one behind the other, each with the 16 rows' values for every column; strides are in floats.
    func multiply(
        tiles: UnsafeMutablePointer<Float>, range: Range<Int>, columns: Int, input: UnsafeMutablePointer<Float>,
        inputStride: Int, rows: Int, output: UnsafeMutablePointer<Float>, outputStride: Int, accumulates: Bool = false
    ) {
        var product = lathe_product()
        product.weights = UnsafePointer(UnsafeMutableRawPointer(tiles).assumingMemoryBound(to: UInt8.self))
        product.outputs = range.upperBound * Self.tile
        product.columns = columns
        product.input = UnsafePointer(UnsafeMutableRawPointer(input).assumingMemoryBound(to: UInt8.self))
        product.input_stride = inputStride * MemoryLayout<Float>.stride
        product.rows = rows
        product.output = output
        product.output_stride = outputStride
        product.accumulate = accumulates
        product.tile_begin = range.lowerBound
        product.tile_end = range.upperBound
        function(&product)
    }

    /// The bits of the nearest halves; magnitudes past their range become the largest.
    func halves(_ lanes: Lanes) -> SIMD16<UInt16> {
        let limit = Lanes(repeating: 65504)
        let low = lanes.replacing(with: limit, where: lanes .> limit)
        var clamped = low.replacing(with: -limit, where: low .< -limit)
        var bits = SIMD16<UInt16>()
        withUnsafeBytes(of: &clamped) { source in
            withUnsafeMutableBytes(of: &bits) { destination in
                toHalf(
                    source.assumingMemoryBound(to: Float.self).baseAddress, Self.tile,
                    destination.assumingMemoryBound(to: UInt16.self).baseAddress)
            }
        }
        return bits
    }

    /// The nearest values that halves hold; magnitudes past their range become the largest.
    func roundedToHalf(_ lanes: Lanes) -> Lanes {
        var bits = halves(lanes)
        var result = Lanes()
        withUnsafeBytes(of: &bits) { source in
            withUnsafeMutableBytes(of: &result) { destination in
                fromHalf(
                    source.assumingMemoryBound(to: UInt16.self).baseAddress, Self.tile,
                    destination.assumingMemoryBound(to: Float.self).baseAddress)
            }
        }
        return result
    }
}
