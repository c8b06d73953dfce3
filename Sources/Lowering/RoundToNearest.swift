import Kernels
import Plans

/// Rounding of weights to nearest, group by group of columns that share a scale.
enum RoundToNearest {
    /// Nearest bfloat16, ties to even; NaN stays NaN.
    static func bfloat16(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        if value.isNaN { return UInt16(bits >> 16) | 0x40 }
        return UInt16((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)
    }

    /// Codes of a row, and a scale for every group; a minimum too where the grid has one.
    static func integers(
        _ values: UnsafeMutableBufferPointer<Float>, _ kind: IntegerCodes, group: GroupSize,
        codes: UnsafeMutableBufferPointer<UInt8>, scales: UnsafeMutableBufferPointer<UInt16>,
        minimums: UnsafeMutableBufferPointer<UInt16>
    ) {
        for (index, first) in stride(from: 0, to: values.count, by: group.rawValue).enumerated() {
            let range = first..<min(first + group.rawValue, values.count)
            let (values, codes) = (
                UnsafeMutableBufferPointer(rebasing: values[range]), UnsafeMutableBufferPointer(rebasing: codes[range])
            )
            switch kind.grid {
            case .symmetric: scales[index] = symmetric(values, bits: kind.bits, codes: codes)
            case .centered: scales[index] = centered(values, bits: kind.bits, codes: codes)
            case .affine: (scales[index], minimums[index]) = affine(values, bits: kind.bits, codes: codes)
            }
        }
    }

    /// Codes of one group around a zero point of 2^(bits-1), and its scale: the largest magnitude becomes the largest
    /// code.
    private static func symmetric(
        _ values: UnsafeMutableBufferPointer<Float>, bits: Int, codes: UnsafeMutableBufferPointer<UInt8>
    ) -> UInt16 {
        let zero = Float(1 << (bits - 1))
        let rounded = half(values.reduce(0) { max($0, abs($1)) } / (zero - 1))
        let scale = lathe_f16_to_f32(rounded)
        for (column, value) in values.enumerated() {
            let code = scale > 0 ? (value / scale).rounded(.toNearestOrEven) : 0
            codes[column] = UInt8(max(1 - zero, min(zero - 1, code)) + zero)
        }
        return rounded
    }

    /// Codes of one group for the odd levels 1-2^bits ... 2^bits-1, and its scale: the largest magnitude becomes the
    /// largest level.
    private static func centered(
        _ values: UnsafeMutableBufferPointer<Float>, bits: Int, codes: UnsafeMutableBufferPointer<UInt8>
    ) -> UInt16 {
        let top = Float((1 << bits) - 1)
        let rounded = half(values.reduce(0) { max($0, abs($1)) } / top)
        let scale = lathe_f16_to_f32(rounded)
        for (column, value) in values.enumerated() {
            let level = scale > 0 ? value / scale : 0
            codes[column] = UInt8(max(0, min(top, ((level + top) / 2).rounded(.toNearestOrEven))))
        }
        return rounded
    }

    /// Codes 0...2^bits-1 between a group's smallest and largest value, its scale and its minimum.
    private static func affine(
        _ values: UnsafeMutableBufferPointer<Float>, bits: Int, codes: UnsafeMutableBufferPointer<UInt8>
    ) -> (scale: UInt16, minimum: UInt16) {
        let top = Float((1 << bits) - 1)
        let roundedMinimum = half(values.reduce(.infinity) { min($0, $1) })
        let minimum = lathe_f16_to_f32(roundedMinimum)
        let rounded = half((values.reduce(-.infinity) { max($0, $1) } - minimum) / top)
        let scale = lathe_f16_to_f32(rounded)
        for (column, value) in values.enumerated() {
            let code = scale > 0 ? ((value - minimum) / scale).rounded(.toNearestOrEven) : 0
            codes[column] = UInt8(max(0, min(top, code)))
        }
        return (rounded, roundedMinimum)
    }

    /// Half precision, finite: a magnitude past its range becomes its largest.
    private static func half(_ value: Float) -> UInt16 { lathe_f32_to_f16(max(-65504, min(65504, value))) }
}
