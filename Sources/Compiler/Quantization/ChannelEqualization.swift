import Foundation
import Models
import Passes
import Quantization

/// Factors on the columns of one matrix that lower the error of its outputs, found by trying.
///
/// Columns that share a scale waste levels where some are much smaller than others. Candidates bring every column's root
/// mean square towards the same value, fully or half the way; the one with the least measured error wins, or none.
struct ChannelEqualization {
    /// What each channel's columns are multiplied by.
    let factors: [Float]
    /// 1 where columns are made alike, 0.5 half the way.
    let exponent: Double
    /// The error of the outputs over that without factors.
    let errorRatio: Double

    /// How a matrix is tried.
    private static let option = PackingOption(bits: .four, groupSize: .columns128)
    private static let exponents = [1, 0.5]
    /// A column is never scaled by more than this, or its inverse.
    private static let most = 64.0

    /// The best factors; nil where none lower the error. `channels` says for each column which channel it is: those of one
    /// channel share a factor. `sample` are some of the matrix's rows, `moments` those of its inputs.
    static func best(
        for matrix: DenseMatrix, sample: DenseMatrix, channels: [Int], moments: InputMoments
    ) throws(CompileError) -> ChannelEqualization? {
        let plain = try error(of: sample, factors: nil, moments)
        guard plain > 0 else { return nil }
        let sizes = rootMeanSquares(of: matrix, channels: channels)
        var best: ChannelEqualization?
        for exponent in exponents {
            let factors = sizes.map { Float(min(max(pow($0, -exponent), 1 / most), most)) }
            let ratio = try error(of: sample, factors: channels.map { factors[$0] }, moments) / plain
            if ratio < best?.errorRatio ?? 1 {
                best = ChannelEqualization(factors: factors, exponent: exponent, errorRatio: ratio)
            }
        }
        return best
    }

    /// Of each channel's columns, over their mean.
    private static func rootMeanSquares(of matrix: DenseMatrix, channels: [Int]) -> [Double] {
        var squares = [Double](repeating: 0, count: (channels.max() ?? 0) + 1)
        matrix.withValues { values in
            for row in 0..<matrix.rows {
                for (column, channel) in channels.enumerated() {
                    let value = Double(values[row * matrix.columns + column])
                    squares[channel] += value * value
                }
            }
        }
        let roots = squares.map { $0.squareRoot() }
        let mean = roots.reduce(0, +) / Double(roots.count)
        return roots.map { mean > 0 && $0 > 0 ? $0 / mean : 1 }
    }

    private static func error(
        of sample: DenseMatrix, factors: [Float]?, _ moments: InputMoments
    ) throws(CompileError) -> Double {
        try attempt(CompileError.quantization) { () throws(QuantizationError) in
            let moments =
                try factors.map { factors throws(QuantizationError) in try moments.divided(by: factors) } ?? moments
            let sample = factors.map(sample.columnsScaled) ?? sample
            let rounding = RoundingMethod.secondOrder(try SecondOrderRounding(moments, settings: .feedbackAlone()))
            let quantized = try sample.quantized(by: rounding, option)
            return try sample.withValues { values throws(QuantizationError) in
                try OutputError(of: quantized, weights: values, moments: moments).relative
            }
        }
    }
}

extension LayerMatrix {
    /// For each column of the matrix, the channel it is: factors on channels can be folded into what comes before.
    func channels(of block: Block) -> [Int] {
        switch (self, block.mixer) {
        case (.attentionOutput, .attention(let attention)): attention.valueChannels
        case (.attentionOutput, .sharedAttention(let attention)): attention.valueChannels
        case (.projection, _), (.gateUp, _), (.down, _): Array(0..<stack(of: block)[0].columns)
        }
    }
}

extension EqualizeChannels.Factors {
    subscript(matrix: LayerMatrix) -> [Float]? {
        get {
            switch matrix {
            case .projection: projection
            case .attentionOutput: attentionOutput
            case .gateUp: gateUp
            case .down: down
            }
        }
        set {
            switch matrix {
            case .projection: projection = newValue
            case .attentionOutput: attentionOutput = newValue
            case .gateUp: gateUp = newValue
            case .down: down = newValue
            }
        }
    }
}
