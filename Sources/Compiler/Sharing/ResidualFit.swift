import Lowering
import Models
import Quantization

/// Fits one matrix that adds to the residual stream, so that the stream comes where another model has it.
///
/// Most chunks are fitted, some validate: of several strengths of the ridge the one is taken that serves best on text that
/// was not fitted, or the matrix stays as it is.
final class ResidualFit {
    /// A matrix and what it achieves: shares of the energy that it should add and does not, on validating chunks.
    struct Result {
        let weight: Weight
        let priorError: Double
        let error: Double
        /// Of the ridge; nil where nothing is better than the matrix was.
        let strength: Double?
        /// The matrix as a plan has it, rounded against what it reads; nil where it was not asked for, or nothing was fitted.
        let packed: PackedMatrix?
    }

    private static let strengths = [0.003, 0.01, 0.03, 0.1, 0.3, 1]
    /// Of so many chunks the last one validates.
    private static let validationStride = 8

    /// Whether a chunk validates.
    static func validates(_ chunk: Int) -> Bool { chunk % validationStride == validationStride - 1 }

    private let prior: Weight
    private let fitted: InputMoments
    private let validating: InputMoments

    /// Of what the matrix reads.
    var width: Int { prior.columns }

    /// Begins with the matrix as it is.
    init(_ prior: Weight) throws(CompileError) {
        self.prior = prior
        let width = prior.columns + prior.rows
        (fitted, validating) = try attempt(CompileError.quantization) { () throws(QuantizationError) in
            (try InputMoments(width: width), try InputMoments(width: width))
        }
    }

    /// Adds a chunk by its number: what the matrix reads, and the residual stream before it and where it should be behind.
    func add(
        _ chunk: Int, inputs: HiddenStates, from start: HiddenStates, to end: HiddenStates
    ) throws(CompileError) {
        let width = inputs.width
        let rows = HiddenStates(count: inputs.count, width: width + start.width)
        for row in 0..<inputs.count {
            rows.withRow(row) { destination in
                start.withRow(row) { start in
                    end.withRow(row) { end in
                        inputs.withRow(row) { inputs in
                            for index in 0..<width { destination[index] = inputs[index] }
                        }
                        for index in 0..<end.count { destination[width + index] = end[index] - start[index] }
                    }
                }
            }
        }
        let moments = ResidualFit.validates(chunk) ? validating : fitted
        try attempt(CompileError.quantization) { () throws(QuantizationError) in
            try rows.withValues { values throws(QuantizationError) in
                try moments.add(values, count: rows.count, stride: rows.width)
            }
        }
    }

    /// The best matrix, rounded for a plan of `precision`. Where no chunk validated, the middle one of the strengths is taken.
    func result(_ precision: WeightPrecision) throws(CompileError) -> Result {
        try attempt(CompileError.quantization) { () throws(QuantizationError) in
            let inputs = prior.columns
            let regression = try RidgeRegression(fitted, inputs: inputs)
            let validation = try RidgeRegression(validating.count > 0 ? validating : fitted, inputs: inputs)
            let values = prior.values()
            let priorError = validation.error(of: values)
            var best = (weights: values, error: priorError, strength: Double?.none)
            let middle = ResidualFit.strengths[ResidualFit.strengths.count / 2]
            for strength in validating.count > 0 ? ResidualFit.strengths : [middle] {
                let weights = try regression.weights(prior: values, strength: strength)
                let error = validation.error(of: weights)
                if error < best.error { best = (weights, error, strength) }
            }
            guard best.strength != nil else {
                return Result(weight: prior, priorError: priorError, error: priorError, strength: nil, packed: nil)
            }
            let matrix = FittedMatrix(
                name: prior.name, rows: prior.rows, columns: prior.columns, values: best.weights)
            return Result(
                weight: Weight(matrix), priorError: priorError, error: best.error, strength: best.strength,
                packed: try packed(Weight(matrix), precision))
        }
    }

    private func packed(_ weight: Weight, _ precision: WeightPrecision) throws(QuantizationError) -> PackedMatrix? {
        guard let option = precision.fittedOption(columns: weight.columns) else { return nil }
        let rounding = try SecondOrderRounding(try fitted.prefix(weight.columns))
        return PackedMatrix(
            try DenseMatrix([weight]).quantized(by: .secondOrder(rounding), option), packing: option.packing)
    }
}
