import Kernels
import Lowering
import Models
import Plans
import Quantization
import Runtime

/// Quantizes a model's matrices in the order of its program, each against the inputs that the matrices quantized before
/// it give: what they did wrong is part of what the next ones see.
///
/// Tensors are asked for one after the other while the plan is written, so one layer is in memory at a time.
final class MeasuredQuantization {
    /// What became of one matrix.
    struct Outcome {
        let unit: QuantizationUnit
        let option: PackingOption
        /// The share of the outputs' energy that is wrong.
        let error: Double
        /// The same with every weight rounded to the nearest level.
        let nearestError: Double
    }

    private let model: Model
    private let tokens: CalibrationTokens
    private let units: [String: QuantizationUnit]
    private let options: [String: PackingOption]
    private let rounding: RoundingChoice
    /// The residual stream before layer `layer`.
    private var states: HiddenStates?
    private var layer = 0
    /// The matrices of layer `layer` that are done.
    private var packed: [LayerMatrix: PackedMatrix] = [:]
    private(set) var outcomes: [Outcome] = []

    /// `options` says how to store each unit, by the name of its tensor.
    init(
        _ model: Model, tokens: CalibrationTokens, units: [QuantizationUnit], options: [String: PackingOption],
        rounding: RoundingChoice
    ) {
        self.model = model
        self.tokens = tokens
        self.units = Dictionary(uniqueKeysWithValues: units.map { ($0.name, $0) })
        self.options = options
        self.rounding = rounding
    }

    /// The tensor quantized; a tensor that is none of the units as it was.
    func resolve(_ name: String, _ source: LoweredTensor) throws(CompileError) -> LoweredTensor {
        guard let unit = units[name], let option = options[name] else { return source }
        let moments = try moments(for: unit)
        let matrix = DenseMatrix(unit.stack)
        let quantized = try quantize(matrix, option, moments: moments)
        guard let packed = PackedMatrix(quantized, packing: option.packing) else { return source }
        let nearest = try attempt(CompileError.quantization) { () throws(QuantizationError) in
            try matrix.quantized(by: .nearest, option)
        }
        outcomes.append(
            Outcome(
                unit: unit, option: option, error: try RelativeError.of(quantized, matrix, moments: moments),
                nearestError: try RelativeError.of(nearest, matrix, moments: moments)))
        switch unit.place {
        case .embedding: states = HiddenStates(tokens: tokens.tokens, quantized: quantized)
        case .layer(_, let matrix): self.packed[matrix] = packed
        case .head: break
        }
        return .packed(packed)
    }

    private func quantize(
        _ matrix: DenseMatrix, _ option: PackingOption, moments: InputMoments?
    ) throws(CompileError) -> QuantizedMatrix {
        try attempt(CompileError.quantization) { () throws(QuantizationError) in
            let method: RoundingMethod =
                switch (rounding, moments) {
                case (.nearest, _): .nearest
                case (.measured, .none): .searchedScales(nil)
                case (.measured, .some(let moments)): .secondOrder(try SecondOrderRounding(moments))
                }
            return try matrix.quantized(by: method, option)
        }
    }

    /// Second moments of what the unit reads; nil for the embedding, which is looked up.
    private func moments(for unit: QuantizationUnit) throws(CompileError) -> InputMoments? {
        switch unit.place {
        case .embedding: return nil
        case .layer(let layer, let matrix):
            try advance(to: layer)
            let states = currentStates()
            let block = model.blocks[layer]
            let evaluation = try BlockEvaluation(block, of: model, packed: packed, chunkLength: tokens.chunkLength)
            let moments = try CalibrationMoments(matrices: [matrix], of: block)
            for chunk in 0..<tokens.chunkCount {
                try evaluation.run(
                    states, rows: tokens.rows(of: chunk), into: nil, until: matrix, observing: moments.add)
            }
            try moments.check()
            return moments[matrix]
        case .head:
            try advance(to: model.blocks.count)
            let moments = try CalibrationMoments(width: unit.columns)
            try HeadEvaluation(model).observeInputs(of: currentStates(), moments.add)
            try moments.check()
            return moments.only
        }
    }

    /// Runs what is done of the layers before `target`, as the plan will run them.
    private func advance(to target: Int) throws(CompileError) {
        while layer < target {
            let states = currentStates()
            let next = HiddenStates(count: states.count, width: states.width)
            let evaluation = try BlockEvaluation(
                model.blocks[layer], of: model, packed: packed, chunkLength: tokens.chunkLength, cache: .float16)
            for chunk in 0..<tokens.chunkCount {
                try evaluation.run(states, rows: tokens.rows(of: chunk), into: next)
            }
            self.states = next
            layer += 1
            packed = [:]
        }
    }

    private func currentStates() -> HiddenStates {
        if let states { return states }
        let states = HiddenStates(tokens: tokens.tokens, embedding: model.embedding)
        self.states = states
        return states
    }
}
