import Kernels
import Lowering
import Models
import Plans
import Quantization
import Runtime

/// What rounding costs, matrix by matrix, measured on calibration text.
///
/// For each matrix alone in a coarse option, the layer's changed output runs through the rest of the float32 model, and
/// the divergence of the final distributions is measured. All these variants go through the model together, layer by
/// layer, so that one layer's weights are in memory at a time. Other options are scaled from that by their share of the
/// error in the matrix's own outputs: for small errors the divergence is quadratic in them.
struct SensitivityAnalysis {
    /// What was measured of one unit.
    struct Result {
        /// Divergence from the unmodified model with the probe's option, in nats.
        let probeDivergence: Double
        /// The share of the outputs' energy that is wrong, with every option of `PackingOption.all`.
        let errors: [Double]
        let probeError: Double

        /// The predicted divergence of an option.
        func divergence(_ option: Int) -> Double {
            probeError > 0 ? probeDivergence * errors[option] / probeError : 0
        }
    }

    /// The option whose divergence is measured.
    static let probe = PackingOption(bits: .four, groupSize: .columns64)
    /// Chunks whose inputs' moments errors are weighted with, at the most.
    private static let momentChunks = 8
    /// Rows of a matrix whose errors are measured with every option.
    private static let sampledRows = 256
    /// Every so many positions of the first chunk, the distributions are compared.
    private static let comparedStride = 4

    let model: Model
    let tokens: CalibrationTokens
    let units: [QuantizationUnit]

    /// Results in the order of the units.
    func run(progress: Compilation.Progress) throws(CompileError) -> [Result] {
        let chunks = min(tokens.chunkCount, SensitivityAnalysis.momentChunks)
        let first = tokens.rows(of: 0)
        var base = HiddenStates(
            tokens: tokens.tokens[..<(chunks * tokens.chunkLength)], embedding: model.embedding)
        var measured: [(unit: Int, errors: [Double], probeError: Double)] = []
        var variants: [(unit: Int, states: HiddenStates)] = []
        var packedHeads: [Int: PackedMatrix] = [:]
        for (index, unit) in units.enumerated() {
            guard case .embedding(let isHead) = unit.place else { continue }
            let matrix = DenseMatrix(unit.stack)
            let errors = try self.errors(of: matrix, moments: nil)
            measured.append((index, errors.all, errors.probe))
            let quantized = try probe(matrix, moments: nil)
            variants.append((index, HiddenStates(tokens: tokens.tokens[first], quantized: quantized)))
            if isHead { packedHeads[index] = PackedMatrix(valuesOf: quantized) }
        }
        for (layer, block) in model.blocks.enumerated() {
            let reference = try BlockEvaluation(block, of: model, chunkLength: tokens.chunkLength)
            let moments = try CalibrationMoments(matrices: LayerMatrix.allCases, of: block)
            let next = HiddenStates(count: base.count, width: base.width)
            for chunk in 0..<chunks {
                try reference.run(base, rows: tokens.rows(of: chunk), into: next, observing: moments.add)
            }
            try moments.check()
            for index in variants.indices {
                let states = HiddenStates(count: first.count, width: base.width)
                try reference.run(variants[index].states, rows: first, into: states)
                variants[index].states = states
            }
            for (index, unit) in units.enumerated() {
                guard case .layer(layer, let matrix) = unit.place else { continue }
                let dense = DenseMatrix(unit.stack)
                let errors = try self.errors(of: dense, moments: moments[matrix])
                measured.append((index, errors.all, errors.probe))
                guard let packed = PackedMatrix(valuesOf: try probe(dense, moments: moments[matrix])) else { continue }
                let changed = try BlockEvaluation(
                    block, of: model, packed: [matrix: packed], chunkLength: tokens.chunkLength)
                let states = HiddenStates(count: first.count, width: base.width)
                try changed.run(base, rows: first, into: states)
                variants.append((index, states))
            }
            base = next
            progress("measuring", Double(layer + 1) / Double(model.blocks.count + 1))
        }
        let head = try HeadEvaluation(model)
        let rows = Array(stride(from: min(8, first.count - 1), to: first.count, by: SensitivityAnalysis.comparedStride))
        let expected = try head.distributions(of: rows, in: base)
        var divergences = [Double](repeating: 0, count: units.count)
        for variant in variants {
            let evaluation = try packedHeads[variant.unit].map { packed throws(CompileError) in
                try HeadEvaluation(model, packedHead: packed)
            }
            divergences[variant.unit] = try (evaluation ?? head).divergence(
                of: rows, in: variant.states, from: expected)
        }
        for (index, unit) in units.enumerated() where unit.place == .head {
            let moments = try CalibrationMoments(width: unit.columns)
            try head.observeInputs(of: base, moments.add)
            try moments.check()
            let dense = DenseMatrix(unit.stack)
            let errors = try self.errors(of: dense, moments: moments.only)
            measured.append((index, errors.all, errors.probe))
            let packed = PackedMatrix(valuesOf: try probe(dense, moments: moments.only))
            divergences[index] = try HeadEvaluation(model, packedHead: packed).divergence(
                of: rows, in: base, from: expected)
        }
        return measured.sorted { $0.unit < $1.unit }.map {
            Result(probeDivergence: divergences[$0.unit], errors: $0.errors, probeError: $0.probeError)
        }
    }

    private func probe(_ matrix: DenseMatrix, moments: InputMoments?) throws(CompileError) -> QuantizedMatrix {
        try quantize(matrix, SensitivityAnalysis.probe, moments)
    }

    /// Relative errors of all options and of the probe, on some rows.
    private func errors(
        of matrix: DenseMatrix, moments: InputMoments?
    ) throws(CompileError) -> (all: [Double], probe: Double) {
        let sample = matrix.sample(SensitivityAnalysis.sampledRows)
        var all: [Double] = []
        var probe = 0.0
        for option in PackingOption.all {
            let quantized = try quantize(sample, option, moments)
            let error = try RelativeError.of(quantized, sample, moments: moments)
            all.append(error)
            if option == SensitivityAnalysis.probe { probe = error }
        }
        return (all, probe)
    }

    private func quantize(
        _ matrix: DenseMatrix, _ option: PackingOption, _ moments: InputMoments?
    ) throws(CompileError) -> QuantizedMatrix {
        try attempt(CompileError.quantization) { () throws(QuantizationError) in
            try matrix.quantized(by: .searchedScales(moments), option)
        }
    }
}

/// The share of a matrix's outputs that quantization changes.
enum RelativeError {
    /// Weighted by the inputs' moments, or all inputs alike.
    static func of(
        _ quantized: QuantizedMatrix, _ matrix: DenseMatrix, moments: InputMoments?
    ) throws(CompileError) -> Double {
        if let moments {
            return try attempt(CompileError.quantization) { () throws(QuantizationError) in
                try matrix.withValues { values throws(QuantizationError) in
                    try OutputError(of: quantized, weights: values, moments: moments).relative
                }
            }
        }
        var (wrong, whole) = (0.0, 0.0)
        matrix.withValues { values in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: matrix.columns) { row in
                for index in 0..<matrix.rows {
                    quantized.values(row: index, into: row)
                    for column in 0..<matrix.columns {
                        let value = values[index * matrix.columns + column]
                        wrong += Double(value - row[column]) * Double(value - row[column])
                        whole += Double(value) * Double(value)
                    }
                }
            }
        }
        return whole > 0 ? wrong / whole : 0
    }
}

extension HiddenStates {
    /// What enters the first layer with a quantized embedding.
    convenience init(tokens: some Collection<UInt32>, quantized: QuantizedMatrix) {
        self.init(count: tokens.count, width: quantized.columns)
        for (index, token) in tokens.enumerated() { withRow(index) { quantized.values(row: Int(token), into: $0) } }
    }
}
