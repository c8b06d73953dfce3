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
    private let units: [String: QuantizationUnit]
    private let options: [String: PackingOption]
    /// What the pieces of an embedding that is the head too are rounded against.
    private let tiedMoments: [String: InputMoments]
    private let rounding: RoundingChoice
    private let tokens: CalibrationTokens
    private let heldOut: CalibrationTokens
    /// The hidden states of both texts before layer `layer`; nil until the embedding is quantized.
    private var states: (calibration: HiddenStates, heldOut: PairedStates)?
    private var layer = 0
    /// The matrices from layer `layer` on that are done.
    private var packed: [LayerTensor: PackedMatrix] = [:]
    /// Of what all pieces of a head of its own read, once one was asked for.
    private var headMoments: InputMoments?
    private(set) var outcomes: [Outcome] = []
    /// The pieces of the embedding that are quantized, until its rows have been looked up.
    private var embedding: [HiddenStates.EmbeddingPiece] = []
    /// The pieces of the matrix that predicts, as they are packed.
    private var packedHead: [Int: PackedMatrix] = [:]

    init(_ plan: QuantizationPlan, rounding: RoundingChoice) {
        model = plan.model
        tokens = plan.tokens
        heldOut = plan.heldOut
        units = Dictionary(uniqueKeysWithValues: plan.units.map { ($0.name, $0) })
        options = plan.optionsByName
        tiedMoments = Dictionary(
            uniqueKeysWithValues: zip(plan.units, plan.sensitivities).compactMap { unit, found in
                found.moments.map { (unit.name, $0) }
            })
        self.rounding = rounding
    }

    /// The tensor quantized; a tensor that is none of the units as it was.
    func resolve(_ name: String, _ source: LoweredTensor) throws(CompileError) -> LoweredTensor {
        guard let unit = units[name], let option = options[name] else { return source }
        let matrix = DenseMatrix(unit.stack)
        let nearest = try attempt(CompileError.quantization) { () throws(QuantizationError) in
            try matrix.quantized(by: .nearest, option)
        }
        let moments = try moments(of: unit)
        let quantized = try attempt(CompileError.quantization) { () throws(QuantizationError) in
            switch (rounding, moments) {
            case (.nearest, _): nearest
            case (.measured, .none): try matrix.quantized(by: .searchedScales(nil), option)
            case (.measured, .some(let moments)):
                try matrix.quantized(by: .secondOrder(try SecondOrderRounding(moments)), option)
            }
        }
        guard let packed = PackedMatrix(quantized, packing: option.packing) else { return source }
        outcomes.append(
            Outcome(
                unit: unit, option: option, error: try RelativeError.of(quantized, matrix, moments: moments),
                nearestError: try RelativeError.of(nearest, matrix, moments: moments)))
        switch unit.place {
        case .embedding(let piece, let isHead):
            embedding.append((model.vocabularyPieces.ranges[piece], quantized))
            if isHead { packedHead[piece] = packed }
        case .layer(let matrix): self.packed[matrix] = packed
        case .head(let piece): packedHead[piece] = packed
        }
        return .packed(packed)
    }

    /// Second moments of what the unit reads; nil for an embedding of its own, which is looked up.
    private func moments(of unit: QuantizationUnit) throws(CompileError) -> InputMoments? {
        switch unit.place {
        case .embedding: return tiedMoments[unit.name]
        case .layer(let matrix):
            let first = model.evaluationSpan(of: matrix.layer).lowerBound
            try advance(to: first)
            let states = currentStates().calibration
            let evaluation = try SpanEvaluation(
                first..<matrix.layer + 1, of: model, packed: packed, chunkLength: tokens.chunkLength)
            let moments = try attempt(CompileError.quantization) { () throws(QuantizationError) in
                try InputMoments(width: unit.columns)
            }
            var failure: QuantizationError?
            for chunk in 0..<tokens.chunkCount {
                try evaluation.observe(matrix, of: states, rows: tokens.rows(of: chunk)) { buffer in
                    do throws(QuantizationError) { try moments.add(buffer) } catch { failure = error }
                }
                if let failure { throw .quantization(failure) }
            }
            return moments
        case .head:
            if let headMoments { return headMoments }
            try advance(to: model.blocks.count)
            headMoments = try FinalNormEvaluation.moments(
                of: model, currentStates().calibration, chunkLength: tokens.chunkLength)
            return headMoments
        }
    }

    /// Runs what is done of the layers before `target`, as the plan will run them.
    private func advance(to target: Int) throws(CompileError) {
        var states = currentStates()
        while layer < target {
            let span = model.evaluationSpan(of: layer)
            let evaluation = try SpanEvaluation(
                span, of: model, packed: packed, chunkLength: tokens.chunkLength, cache: .float16)
            let next = HiddenStates(like: states.calibration)
            for chunk in 0..<tokens.chunkCount {
                try evaluation.run(states.calibration, rows: tokens.rows(of: chunk), into: next)
            }
            try states.heldOut.advance(
                original: SpanEvaluation(span, of: model, chunkLength: tokens.chunkLength), quantized: evaluation)
            states.calibration = next
            self.states = states
            layer = span.upperBound
            packed = [:]
        }
    }

    /// Compares the predictions on the held-out text, once every matrix is quantized; nil where there is no such text.
    func measure() throws(CompileError) -> HeldOutMeasurement? {
        guard heldOut.chunkCount > 0 else { return nil }
        try advance(to: model.blocks.count)
        let states = currentStates().heldOut
        self.states = nil
        let (whole, rounded) = (try HeadEvaluation(model), try HeadEvaluation(model, packed: packedHead))
        return try HeldOutMeasurement(
            of: states.quantized, by: rounded, beside: states.original, by: whole, on: heldOut)
    }

    private func currentStates() -> (calibration: HiddenStates, heldOut: PairedStates) {
        if let states { return states }
        let states = (
            calibration: HiddenStates(tokens: tokens.tokens, embedding: model.embedding, replacing: embedding),
            heldOut: PairedStates(heldOut, of: model, quantizedEmbedding: embedding)
        )
        embedding = []
        self.states = states
        return states
    }
}
