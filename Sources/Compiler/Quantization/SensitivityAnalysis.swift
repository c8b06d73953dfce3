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
        var state = State(
            base: HiddenStates(
                tokens: tokens.tokens[..<(chunks * tokens.chunkLength)], embedding: model.embedding))
        for index in units.indices {
            guard case .embedding(let isHead) = units[index].place else { continue }
            let quantized = try measure(index, moments: nil, &state)
            let states = HiddenStates(tokens: tokens.tokens[tokens.rows(of: 0)], quantized: quantized)
            state.variants.append(
                Variant(unit: index, states: states, head: isHead ? PackedMatrix(valuesOf: quantized) : nil))
        }
        for layer in model.blocks.indices {
            try measureLayer(layer, chunks: chunks, &state)
            progress("measuring", Double(layer + 1) / Double(model.blocks.count + 1))
        }
        let divergences = try measureHead(&state)
        return units.indices.compactMap { index in
            state.errors[index].map {
                Result(probeDivergence: divergences[index] ?? 0, errors: $0.all, probeError: $0.probe)
            }
        }
    }

    /// The hidden states of the first chunk where one matrix is rounded.
    private struct Variant {
        let unit: Int
        var states: HiddenStates
        /// The rounded matrix, where it is the head too.
        var head: PackedMatrix?
    }

    /// What is known between two layers.
    private struct State {
        /// Hidden states of the unmodified model.
        var base: HiddenStates
        var variants: [Variant] = []
        /// Relative errors by the index of the unit.
        var errors: [Int: (all: [Double], probe: Double)] = [:]
    }

    /// Takes all hidden states through one layer, and adds the variants of its matrices.
    private func measureLayer(_ layer: Int, chunks: Int, _ state: inout State) throws(CompileError) {
        let block = model.blocks[layer]
        let first = tokens.rows(of: 0)
        let reference = try BlockEvaluation(block, of: model, chunkLength: tokens.chunkLength)
        let moments = try CalibrationMoments(matrices: LayerMatrix.allCases, of: block)
        let next = HiddenStates(count: state.base.count, width: state.base.width)
        for chunk in 0..<chunks {
            try reference.run(state.base, rows: tokens.rows(of: chunk), into: next, observing: moments.add)
        }
        try moments.check()
        for index in state.variants.indices {
            let states = HiddenStates(count: first.count, width: next.width)
            try reference.run(state.variants[index].states, rows: first, into: states)
            state.variants[index].states = states
        }
        for index in units.indices {
            guard case .layer(layer, let matrix) = units[index].place else { continue }
            let quantized = try measure(index, moments: moments[matrix], &state)
            guard let packed = PackedMatrix(valuesOf: quantized) else { continue }
            let changed = try BlockEvaluation(
                block, of: model, packed: [matrix: packed], chunkLength: tokens.chunkLength)
            let states = HiddenStates(count: first.count, width: next.width)
            try changed.run(state.base, rows: first, into: states)
            state.variants.append(Variant(unit: index, states: states))
        }
        state.base = next
    }

    /// The divergence of every variant's predictions, and of those of a rounded head, by the index of the unit.
    private func measureHead(_ state: inout State) throws(CompileError) -> [Int: Double] {
        let count = tokens.chunkLength
        let rows = Array(stride(from: min(8, count - 1), to: count, by: SensitivityAnalysis.comparedStride))
        let head = try HeadEvaluation(model)
        let expected = try head.distributions(of: rows, in: state.base)
        var divergences: [Int: Double] = [:]
        for variant in state.variants {
            let rounded = try variant.head.map { packed throws(CompileError) in
                try HeadEvaluation(model, packedHead: packed)
            }
            divergences[variant.unit] = try (rounded ?? head).divergence(
                of: rows, in: variant.states, from: expected)
        }
        state.variants = []
        for index in units.indices where units[index].place == .head {
            let moments = try CalibrationMoments(width: units[index].columns)
            try head.observeInputs(of: state.base, moments.add)
            try moments.check()
            let packed = PackedMatrix(valuesOf: try measure(index, moments: moments.only, &state))
            divergences[index] = try HeadEvaluation(model, packedHead: packed).divergence(
                of: rows, in: state.base, from: expected)
        }
        return divergences
    }

    /// Measures the errors of one unit with every option; returns it as the probe rounds it.
    private func measure(
        _ index: Int, moments: InputMoments?, _ state: inout State
    ) throws(CompileError) -> QuantizedMatrix {
        let matrix = DenseMatrix(units[index].stack)
        state.errors[index] = try errors(of: matrix, moments: moments)
        return try quantize(matrix, SensitivityAnalysis.probe, moments)
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
