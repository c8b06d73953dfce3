import Lowering
import Models
import Plans
import Quantization
import Runtime

/// What rounding costs, matrix by matrix, measured on calibration text.
///
/// For each matrix alone in a coarse option, the layer's changed output runs through the rest of the float32 model, and
/// the divergence of the final distributions is measured. These variants go through the model together, layer by layer, so
/// that one layer's weights are in memory at a time, and no more than `mostVariants` hidden states. Other options are scaled from that by their share of the
/// error in the matrix's own outputs, rounded as they will be: for small errors the divergence is quadratic in them.
struct SensitivityAnalysis {
    /// What was measured of one unit.
    struct Result {
        /// Divergence from the unmodified model with the probe's option, in nats.
        let probeDivergence: Double
        /// The share of the outputs' energy that is wrong, with every option of `PackingOption.all`.
        let errors: [Double]
        let probeError: Double
        /// What the matrix's columns are multiplied by before it is quantized; nil where that does not help.
        let equalization: ChannelEqualization?
        /// What an embedding that is the head too is rounded against; nil for other units.
        let moments: InputMoments?

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
    private static let sampledRows = 128
    /// Every so many positions of the first chunk, the distributions are compared.
    private static let comparedStride = 4

    let model: Model
    let tokens: CalibrationTokens
    let units: [QuantizationUnit]
    let rounding: RoundingChoice
    /// Variants that are on their way at once, about.
    var mostVariants = 32

    /// Results in the order of the units.
    func run(progress: Compilation.Progress) throws(CompileError) -> [Result] {
        let chunks = min(tokens.chunkCount, SensitivityAnalysis.momentChunks)
        var state = State(
            base: HiddenStates(
                tokens: tokens.tokens[..<(chunks * tokens.chunkLength)], embedding: model.embedding))
        for index in units.indices {
            guard case .embedding(let piece, let isHead) = units[index].place else { continue }
            let quantized = try measure(index, moments: nil, &state)
            let states = HiddenStates(
                tokens: tokens.tokens[tokens.rows(of: 0)], embedding: model.embedding,
                replacing: [(model.vocabularyPieces.ranges[piece], quantized)])
            state.variants.append(Variant(unit: index, states: states, head: isHead ? quantized : nil))
        }
        for span in model.evaluationSpans {
            try measureLayers(span, chunks: chunks, &state)
            if state.variants.count >= mostVariants {
                try finishVariants(from: span.upperBound, &state)
            }
            progress("measuring", Double(span.upperBound) / Double(model.blocks.count + 1))
        }
        try finishVariants(from: model.blocks.count, &state)
        let divergences = try measureHead(&state)
        return units.indices.compactMap { index in
            state.found[index].map {
                Result(
                    probeDivergence: divergences[index] ?? 0, errors: $0.errors, probeError: $0.probeError,
                    equalization: $0.equalization, moments: $0.moments)
            }
        }
    }

    /// The hidden states of the first chunk where one matrix is rounded.
    private struct Variant {
        let unit: Int
        var states: HiddenStates
        /// The rounded piece, where it is the head's too.
        var head: QuantizedMatrix?
    }

    /// What is known between two layers.
    private struct State {
        /// Hidden states of the unmodified model.
        var base: HiddenStates
        var variants: [Variant] = []
        /// Of the first chunk behind the last layer, once they were needed.
        var last: HiddenStates?
        /// What was found of variants that have arrived, by the index of their unit.
        var divergences: [Int: Double] = [:]
        var tied: [Int: QuantizedMatrix] = [:]
        /// What is found of each unit, by its index.
        var found: [Int: Finding] = [:]
    }

    /// What the matrix itself says of a unit.
    private struct Finding {
        /// Relative errors of the outputs with every option.
        let errors: [Double]
        let probeError: Double
        var equalization: ChannelEqualization?
        var moments: InputMoments?
    }

    /// Takes all hidden states through layers, and adds the variants of their matrices.
    private func measureLayers(_ layers: Range<Int>, chunks: Int, _ state: inout State) throws(CompileError) {
        let first = tokens.rows(of: 0)
        let reference = try SpanEvaluation(layers, of: model, chunkLength: tokens.chunkLength)
        let moments = try CalibrationMoments(of: layers, in: model)
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
            guard case .layer(let matrix) = units[index].place, layers.contains(matrix.layer) else { continue }
            let channels = matrix.matrix.channels(of: model.blocks[matrix.layer])
            let quantized = try measure(index, moments: moments[matrix], channels: channels, &state)
            let factors = state.found[index]?.equalization?.factors
            guard
                let packed = PackedMatrix(
                    valuesOf: quantized, dividedBy: factors.map { factors in channels.map { factors[$0] } })
            else { continue }
            let changed = try SpanEvaluation(
                layers, of: model, packed: [matrix: packed], chunkLength: tokens.chunkLength)
            let states = HiddenStates(count: first.count, width: next.width)
            try changed.run(state.base, rows: first, into: states)
            state.variants.append(Variant(unit: index, states: states))
        }
        state.base = next
    }

    /// Positions of the first chunk whose predictions are compared.
    private var comparedRows: [Int] {
        let count = tokens.chunkLength
        return Array(stride(from: min(8, count - 1), to: count, by: SensitivityAnalysis.comparedStride))
    }

    /// Takes all variants through the layers from `layer` on, and measures the divergence of their predictions.
    private func finishVariants(from layer: Int, _ state: inout State) throws(CompileError) {
        guard !state.variants.isEmpty else { return }
        let chunk = tokens.prefix(1)
        let remaining = model.evaluationSpans.filter { $0.lowerBound >= layer }
        let last = state.last ?? HiddenStates(0..<tokens.chunkLength, of: state.base)
        for span in remaining {
            let evaluation = try SpanEvaluation(span, of: model, chunkLength: tokens.chunkLength)
            for states in state.variants.map(\.states) + (state.last == nil ? [last] : []) {
                try evaluation.run(states, rows: chunk.rows(of: 0), into: states)
            }
        }
        state.last = last
        let head = try HeadEvaluation(model)
        let expected = try head.distributions(of: comparedRows, in: last)
        for variant in state.variants {
            state.divergences[variant.unit] = try head.divergence(
                of: comparedRows, in: variant.states, from: expected)
            state.tied[variant.unit] = variant.head
        }
        state.variants = []
    }

    /// The divergence of every unit's predictions, that of a rounded head among them, by the index of the unit.
    private func measureHead(_ state: inout State) throws(CompileError) -> [Int: Double] {
        let rows = comparedRows
        var divergences = state.divergences
        let tied = state.tied
        let expected = try HeadEvaluation(model).distributions(of: rows, in: state.base)
        let moments = try FinalNormEvaluation.moments(of: model, state.base, chunkLength: tokens.chunkLength)
        let base = state.base
        func predictedWith(_ piece: Int, _ rounded: QuantizedMatrix) throws(CompileError) -> Double {
            let packed = PackedMatrix(valuesOf: rounded)
            return try HeadEvaluation(model, packed: [piece: packed].compactMapValues { $0 })
                .divergence(of: rows, in: base, from: expected)
        }
        for index in units.indices {
            switch units[index].place {
            case .layer: continue
            case .head(let piece):
                divergences[index] = try predictedWith(piece, measure(index, moments: moments, &state))
            case .embedding(let piece, _):
                guard let rounded = tied[index] else { continue }
                let divergence = try predictedWith(piece, rounded)
                try measureTied(
                    index, rounded, asEmbedding: divergences[index] ?? 0, asHead: divergence, moments, &state)
                divergences[index] = (divergences[index] ?? 0) + divergence
            }
        }
        return divergences
    }

    /// Measures an embedding that is the head too. `rounded` costs one divergence where it is looked up, and another where
    /// it predicts. The first one grows with the error of its rows, the second one with that of its outputs; moments that
    /// weigh both as they count give one objective: the divergence to be.
    private func measureTied(
        _ index: Int, _ rounded: QuantizedMatrix, asEmbedding: Double, asHead: Double, _ headMoments: InputMoments,
        _ state: inout State
    ) throws(CompileError) {
        guard rounding == .measured, asHead > 0 else { return }
        let matrix = DenseMatrix(units[index].stack)
        let energies = try RelativeError.energies(rounded, matrix, moments: headMoments)
        guard energies.rows > 0, energies.outputs > 0 else { return }
        let mixed = try attempt(CompileError.quantization) { () throws(QuantizationError) in
            try headMoments.adding(toDiagonal: Float(asEmbedding / energies.rows * energies.outputs / asHead))
        }
        state.found[index] = try findings(
            of: matrix.sample(SensitivityAnalysis.sampledRows), moments: mixed, probe: .searchedScales(nil))
        state.found[index]?.moments = mixed
    }

    /// Measures the errors of one unit with every option; returns it as the probe rounds it. With `channels`, the channel
    /// of each column, factors on its columns are tried first, and what is returned has them.
    private func measure(
        _ index: Int, moments: InputMoments?, channels: [Int]? = nil, _ state: inout State
    ) throws(CompileError) -> QuantizedMatrix {
        var matrix = DenseMatrix(units[index].stack)
        var sample = matrix.sample(SensitivityAnalysis.sampledRows)
        var moments = moments
        var equalization: ChannelEqualization?
        if rounding == .measured, let channels, let original = moments {
            equalization = try ChannelEqualization.best(
                for: matrix, sample: sample, channels: channels, moments: original)
            if let factors = equalization?.factors {
                let columns = channels.map { factors[$0] }
                (matrix, sample) = (matrix.columnsScaled(by: columns), sample.columnsScaled(by: columns))
                moments = try attempt(CompileError.quantization) { () throws(QuantizationError) in
                    try original.divided(by: columns)
                }
            }
        }
        state.found[index] = try findings(of: sample, moments: moments, probe: .searchedScales(moments))
        state.found[index]?.equalization = equalization
        return try attempt(CompileError.quantization) { () throws(QuantizationError) in
            try matrix.quantized(by: .searchedScales(moments), SensitivityAnalysis.probe)
        }
    }

    /// The errors of a matrix with every option and as the probe rounds it, on some of its rows.
    private func findings(
        of sample: DenseMatrix, moments: InputMoments?, probe: RoundingMethod
    ) throws(CompileError) -> Finding {
        let method: RoundingMethod =
            switch (rounding, moments) {
            case (.nearest, _): .nearest
            case (.measured, .none): .searchedScales(nil)
            case (.measured, .some(let moments)):
                .secondOrder(
                    try attempt(CompileError.quantization) { () throws(QuantizationError) in
                        try SecondOrderRounding(moments, settings: .feedbackAlone())
                    })
            }
        let errors = try PackingOption.all.map { option throws(CompileError) in
            try error(of: sample, option, method, moments)
        }
        return Finding(
            errors: errors, probeError: try error(of: sample, SensitivityAnalysis.probe, probe, moments))
    }

    private func error(
        of sample: DenseMatrix, _ option: PackingOption, _ method: RoundingMethod, _ moments: InputMoments?
    ) throws(CompileError) -> Double {
        let quantized = try attempt(CompileError.quantization) { () throws(QuantizationError) in
            try sample.quantized(by: method, option)
        }
        return try RelativeError.of(quantized, sample, moments: moments)
    }
}
