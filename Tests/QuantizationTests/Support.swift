import Foundation
import Plans

@testable import Quantization

/// A deterministic source of test data (SplitMix64).
struct RandomSource {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func bits() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }

    /// Normal with mean 0 and variance 1.
    mutating func normal() -> Float {
        let radius = (-2 * log((Double(bits() >> 11) + 0.5) * 0x1p-53)).squareRoot()
        return Float(radius * cos(2 * .pi * Double(bits() >> 11) * 0x1p-53))
    }

    mutating func normals(_ count: Int, size: Float = 1) -> [Float] { (0..<count).map { _ in normal() * size } }
}

/// Weights, and tokens with correlated inputs: a decaying spectrum, mixed, and one loud channel.
struct Problem {
    let rows: Int
    let columns: Int
    let tokens: Int
    let weights: [Float]
    let inputs: [Float]

    /// The inputs named in `dead` are 0 in every token.
    init(rows: Int, columns: Int, tokens: Int, seed: UInt64, dead: [Int] = []) {
        var random = RandomSource(seed)
        self.rows = rows
        self.columns = columns
        self.tokens = tokens
        weights = random.normals(rows * columns, size: 0.05)
        let mixing = random.normals(columns * columns)
        var inputs = [Float](repeating: 0, count: tokens * columns)
        for token in 0..<tokens {
            for source in 0..<columns {
                let value = random.normal() / Float(source + 1)
                for column in 0..<columns {
                    inputs[token * columns + column] += value * mixing[source * columns + column]
                }
            }
            inputs[token * columns + columns / 3] *= 10
            for column in dead { inputs[token * columns + column] = 0 }
        }
        self.inputs = inputs
    }

    func moments(threads: Int? = nil) throws -> InputMoments {
        let moments = try InputMoments(width: columns, threads: threads)
        try inputs.withUnsafeBufferPointer { try moments.add($0, count: tokens, stride: columns) }
        return moments
    }

    func quantize(
        _ method: RoundingMethod, _ grid: Grid, _ groupSize: GroupSize = .columns32, threads: Int? = nil
    ) throws -> QuantizedMatrix {
        try weights.withUnsafeBufferPointer {
            try method.quantize(
                $0, rows: rows, columns: columns, grid: grid, groupSize: groupSize, threads: threads)
        }
    }

    func outputError(_ quantized: QuantizedMatrix, _ moments: InputMoments) throws -> OutputError {
        try weights.withUnsafeBufferPointer { try OutputError(of: quantized, weights: $0, moments: moments) }
    }

    /// H by its definition, in double precision.
    var referenceMoments: [[Double]] {
        var result = [[Double]](repeating: [Double](repeating: 0, count: columns), count: columns)
        for token in 0..<tokens {
            for row in 0..<columns {
                for column in 0..<columns {
                    result[row][column] +=
                        Double(inputs[token * columns + row]) * Double(inputs[token * columns + column])
                }
            }
        }
        return result
    }

    /// e H e^T of every row by its definition, with `damping` on H's diagonal.
    func referenceErrors(_ quantized: QuantizedMatrix, damping: Double = 0) -> [Double] {
        var values = [Float](repeating: 0, count: columns)
        return (0..<rows).map { row in
            values.withUnsafeMutableBufferPointer { quantized.values(row: row, into: $0) }
            let error = (0..<columns).map { Double(weights[row * columns + $0]) - Double(values[$0]) }
            var sum = damping * error.reduce(0) { $0 + $1 * $1 }
            for token in 0..<tokens {
                var output = 0.0
                for column in 0..<columns { output += error[column] * Double(inputs[token * columns + column]) }
                sum += output * output
            }
            return sum
        }
    }
}

extension Grid {
    /// Every grid that there is.
    static let all = Bits.allCases.flatMap { bits in Kind.allCases.map { Grid(bits: bits, kind: $0) } }
    static let fourBits = Grid(bits: .four, kind: .symmetric)
}

/// The value of a half, by the definition of the format.
func halfValue(_ bits: UInt16) -> Double {
    let sign: Double = bits & 0x8000 == 0 ? 1 : -1
    let exponent = Int(bits >> 10) & 31
    let fraction = Double(bits & 1023)
    if exponent == 0 { return sign * fraction * 0x1p-24 }
    return sign * (1 + fraction / 1024) * Double(sign: .plus, exponent: exponent - 15, significand: 1)
}
