import Lowering
import Models
import Passes

/// Linearizes layers of a model, fits them where that is asked for, and measures.
struct LinearizationTrial {
    /// What became of layers, and what that costs.
    struct Result {
        let model: Model
        /// What was fitted, as the plan has it.
        let packed: [LayerTensor: PackedMatrix]
        let outcomes: [LinearizationRepair.Outcome]
        let measurement: HeldOutMeasurement
    }

    /// What is linearized.
    let original: Model
    /// What the result is measured beside: the model before every pass.
    let source: Model
    let method: LinearizationMethod
    /// Of the plan, with what passes before have fitted.
    let precision: WeightPrecision
    let packed: [LayerTensor: PackedMatrix]
    let tokens: CalibrationTokens
    let heldOut: CalibrationTokens
    private let head: HeadEvaluation
    private let reference: HiddenStates

    init(
        _ original: Model, of source: Model, method: LinearizationMethod, precision: WeightPrecision = .f32,
        packed: [LayerTensor: PackedMatrix] = [:], tokens: CalibrationTokens, heldOut: CalibrationTokens
    ) throws(CompileError) {
        self.original = original
        self.source = source
        self.method = method
        (self.precision, self.packed) = (precision, packed)
        self.tokens = tokens
        self.heldOut = heldOut
        head = try HeadEvaluation(source)
        reference = try HiddenStates(behind: source, heldOut)
    }

    func run(_ forms: [Int: LinearForm], _ progress: Compilation.Progress) throws(CompileError) -> Result {
        var (model, packed) = (original, packed)
        var outcomes: [LinearizationRepair.Outcome] = []
        switch method {
        case .plain: model = try original.linearized(forms)
        case .fitted:
            let repair = try LinearizationRepair(
                original: original, tokens: tokens, precision: precision, packed: packed)
            (model, outcomes) = try repair.run(forms, progress: progress)
            packed = repair.packed
        }
        progress("comparing", 1)
        let states = try HiddenStates(behind: model, heldOut)
        return Result(
            model: model, packed: packed, outcomes: outcomes,
            measurement: try HeldOutMeasurement(of: states, by: head, beside: reference, by: head, on: heldOut))
    }
}

extension Model {
    /// The model with layers of forms to which nothing is fitted.
    func linearized(_ forms: [Int: LinearForm]) throws(CompileError) -> Model {
        var starts: [Int: LinearizedForm] = [:]
        for (layer, form) in forms {
            guard blocks.indices.contains(layer) else {
                throw .linearization(.noSuchLayer(layer, layers: blocks.count))
            }
            guard case .attention(let attention) = blocks[layer].mixer else {
                throw .linearization(.withoutWeights(layer: layer))
            }
            starts[layer] = form.start(for: attention)
        }
        return try attempt(CompileError.linearization) { () throws(LinearizeAttentionError) in
            try LinearizeAttention(starts).apply(to: self).model
        }
    }
}
