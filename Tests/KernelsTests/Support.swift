import Kernels
import Testing

/// A deterministic source of test data (SplitMix64).
struct RandomSource {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func bits() -> UInt32 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return UInt32(truncatingIfNeeded: (z ^ (z >> 31)) >> 32)
    }

    /// Uniform in [-size, size).
    mutating func float(_ size: Float = 1) -> Float { Float(Int32(bitPattern: bits())) * 0x1p-31 * size }

    mutating func floats(_ count: Int, size: Float = 1) -> [Float] { (0..<count).map { _ in float(size) } }

    /// A half of magnitude below 2, subnormal ones among them.
    mutating func half() -> UInt16 {
        let value = bits()
        return UInt16(truncatingIfNeeded: value) & (value >> 28 == 0 ? 0x83ff : 0xbfff)
    }

    mutating func halves(_ count: Int) -> [UInt16] { (0..<count).map { _ in half() } }

    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: bits()) } }
}

/// The value of a half, by the definition of the format.
func halfValue(_ bits: UInt16) -> Double {
    let sign: Double = bits & 0x8000 == 0 ? 1 : -1
    let exponent = Int(bits >> 10) & 31
    let fraction = Double(bits & 1023)
    if exponent == 0 { return sign * fraction * 0x1p-24 }
    return sign * (1 + fraction / 1024) * Double(sign: .plus, exponent: exponent - 15, significand: 1)
}

/// The kernels of every instruction set that this processor has.
struct AvailableKernels: CustomTestStringConvertible, Sendable {
    let isa: lathe_isa
    let table: lathe_kernels

    var testDescription: String { String(cString: lathe_isa_name(isa)) }

    static let all = [LATHE_ISA_SCALAR, LATHE_ISA_AVX2, LATHE_ISA_AVX512, LATHE_ISA_NEON].compactMap { isa in
        lathe_kernels_for(isa).map { AvailableKernels(isa: isa, table: $0.pointee) }
    }
    static let scalar = all[0]
    static let vector = Array(all.dropFirst())
}

extension Array where Element == Float {
    var bitPatterns: [UInt32] { map(\.bitPattern) }
}

extension lathe_packing {
    static let all = (0..<LATHE_PACKING_COUNT.rawValue).map { lathe_packing(rawValue: $0) }
    static let floats = [LATHE_F32, LATHE_F16, LATHE_BF16]
    static let integers = [
        LATHE_INT4_SYMMETRIC, LATHE_INT4_AFFINE, LATHE_INT5_SYMMETRIC, LATHE_INT5_AFFINE, LATHE_INT8_SYMMETRIC,
        LATHE_INT6_SYMMETRIC, LATHE_INT3_CENTERED, LATHE_INT2_CENTERED,
    ]

    var isFloat: Bool { lathe_packing.floats.contains(self) }
    var isAffine: Bool { self == LATHE_INT4_AFFINE || self == LATHE_INT5_AFFINE }
    var elementBytes: Int { self == LATHE_F32 ? 4 : 2 }

    var codeBits: Int {
        switch self {
        case LATHE_INT2_CENTERED: 2
        case LATHE_INT3_CENTERED: 3
        case LATHE_INT4_SYMMETRIC, LATHE_INT4_AFFINE: 4
        case LATHE_INT5_SYMMETRIC, LATHE_INT5_AFFINE: 5
        case LATHE_INT6_SYMMETRIC: 6
        default: 8
        }
    }

    /// What a code stands for, in units of the scale, but for the minimum of the affine packings.
    func level(_ code: UInt8) -> Int {
        switch self {
        case LATHE_INT4_AFFINE, LATHE_INT5_AFFINE: Int(code)
        case LATHE_INT3_CENTERED: [-7, -5, -3, -1, 1, 3, 5, 7][Int(code)]
        case LATHE_INT2_CENTERED: [-3, -1, 1, 3][Int(code)]
        default: Int(code) - (1 << (codeBits - 1))
        }
    }
}

/// A packing and the columns that share a scale in it.
struct Format: CustomTestStringConvertible, Sendable {
    let packing: lathe_packing
    let group: Int

    var testDescription: String { "packing \(packing.rawValue)" + (packing.isFloat ? "" : ", groups of \(group)") }

    static let integers = lathe_packing.integers.flatMap { packing in
        [32, 64, 128].map { Format(packing: packing, group: $0) }
    }
    static let all = lathe_packing.floats.map { Format(packing: $0, group: 0) } + integers

    func groupCount(_ columns: Int) -> Int { (columns + group - 1) / group }
}
