import Kernels
import Plans

/// Rounding of weights to nearest, group by group of 32 columns.
enum RoundToNearest {
    /// Nearest bfloat16, ties to even; NaN stays NaN.
    static func bfloat16(_ value: Float) -> UInt16 {
        let bits = value.bitPattern
        if value.isNaN { return UInt16(bits >> 16) | 0x40 }
        return UInt16((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)
    }

    /// Codes around a zero point of 2^(bits-1); the largest magnitude becomes the largest code.
    static func symmetric(
        _ values: UnsafeMutableBufferPointer<Float>, bits: Int, codes: UnsafeMutableBufferPointer<UInt8>,
        scales: UnsafeMutableBufferPointer<UInt16>
    ) {
        let zero = Float(1 << (bits - 1))
        for group in 0..<values.count / Packing.group {
            let range = group * Packing.group..<(group + 1) * Packing.group
            var largest: Float = 0
            for column in range { largest = max(largest, abs(values[column])) }
            scales[group] = half(largest / (zero - 1))
            let scale = lathe_f16_to_f32(scales[group])
            for column in range {
                let code = scale > 0 ? (values[column] / scale).rounded(.toNearestOrEven) : 0
                codes[column] = UInt8(max(1 - zero, min(zero - 1, code)) + zero)
            }
        }
    }

    /// Codes 0...2^bits-1 between the group's smallest and largest value.
    static func affine(
        _ values: UnsafeMutableBufferPointer<Float>, bits: Int, codes: UnsafeMutableBufferPointer<UInt8>,
        scales: UnsafeMutableBufferPointer<UInt16>, minimums: UnsafeMutableBufferPointer<UInt16>
    ) {
        let top = Float((1 << bits) - 1)
        for group in 0..<values.count / Packing.group {
            let range = group * Packing.group..<(group + 1) * Packing.group
            var smallest = Float.infinity
            var largest = -Float.infinity
            for column in range {
                smallest = min(smallest, values[column])
                largest = max(largest, values[column])
            }
            minimums[group] = half(smallest)
            let minimum = lathe_f16_to_f32(minimums[group])
            scales[group] = half((largest - minimum) / top)
            let scale = lathe_f16_to_f32(scales[group])
            for column in range {
                let code = scale > 0 ? ((values[column] - minimum) / scale).rounded(.toNearestOrEven) : 0
                codes[column] = UInt8(max(0, min(top, code)))
            }
        }
    }

    /// Half precision, finite: a magnitude past its range becomes its largest.
    private static func half(_ value: Float) -> UInt16 { lathe_f32_to_f16(max(-65504, min(65504, value))) }
}
