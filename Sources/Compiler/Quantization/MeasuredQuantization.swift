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
    /// The matrix that predicts, as it is packed.
    private var packedHead: PackedMatrix?
    private let heldOut: CalibrationTokens
    /// The held-out text's residual stream, in the unmodified model and in the quantized one.
    private var heldOutStates: (reference: HiddenStates, quantized: HiddenStates)

    /// `options` says how to store each unit, by the name of its tensor.
    init(
        _ model: Model, tokens: CalibrationTokens, units: [QuantizationUnit], options: [String: PackingOption],
        heldOut: CalibrationTokens, rounding: RoundingChoice
    ) {
        self.model = model
        self.tokens = tokens
        self.units = Dictionary(uniqueKeysWithValues: units.map { ($0.name, $0) })
        self.options = options
        self.rounding = rounding
        self.heldOut = heldOut
        let reference = HiddenStates(tokens: heldOut.tokens, embedding: model.embedding)
        heldOutStates = (reference, reference)
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
        case .embedding(let isHead):
            states = HiddenStates(tokens: tokens.tokens, quantized: quantized)
            heldOutStates.quantized = HiddenStates(tokens: heldOut.tokens, quantized: quantized)
            if isHead { packedHead = packed }
        case .layer(_, let matrix): self.packed[matrix] = packed
        case .head: packedHead = packed
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
            try advanceHeldOut(quantized: evaluation)
            layer += 1
            packed = [:]
        }
    }

    /// Runs the held-out text through layer `layer` of both models.
    private func advanceHeldOut(quantized: BlockEvaluation) throws(CompileError) {
        guard heldOut.chunkCount > 0 else { return }
        let whole = try BlockEvaluation(model.blocks[layer], of: model, chunkLength: heldOut.chunkLength)
        let next = (
            HiddenStates(count: heldOut.tokens.count, width: model.hiddenSize),
            HiddenStates(count: heldOut.tokens.count, width: model.hiddenSize)
        )
        for chunk in 0..<heldOut.chunkCount {
            try whole.run(heldOutStates.reference, rows: heldOut.rows(of: chunk), into: next.0)
            try quantized.run(heldOutStates.quantized, rows: heldOut.rows(of: chunk), into: next.1)
        }
        heldOutStates = next
    }

    /// Compares the predictions on the held-out text, once every matrix is quantized; nil where there is no such text.
    func measure() throws(CompileError) -> HeldOutMeasurement? {
        guard heldOut.chunkCount > 0 else { return nil }
        try advance(to: model.blocks.count)
        states = nil
        let (whole, rounded) = (try HeadEvaluation(model), try HeadEvaluation(model, packedHead: packedHead))
        var total = HeldOutMeasurement()
        for chunk in 0..<heldOut.chunkCount {
            let rows = heldOut.rows(of: chunk)
            try rounded.measure(
                heldOutStates.quantized, against: heldOutStates.reference, of: whole, chunk: heldOut.tokens[rows],
                rows: rows, stride: MeasuredQuantization.measuredStride, into: &total)
        }
        return total
    }

    /// Every so many positions, predictions are compared.
    private static let measuredStride = 2

    private func currentStates() -> HiddenStates {
        if let states { return states }
        let states = HiddenStates(tokens: tokens.tokens, embedding: model.embedding)
        self.states = states
        return states
    }
}
