import Lowering
import Models
import Passes

/// A model whose receivers are chosen, mapped and repaired as the options say, with what that cost.
struct SharingPlan {
    let model: Model
    /// What was fitted, as the plan has it.
    let packed: [LayerTensor: PackedMatrix]
    let passReport: PassReport
    let report: SharingReport

    /// Chunks that are fitted to at the most: more than quantizing uses, since a regression has more to find.
    private static let mostChunks = 64
    /// How far the divergence before repair is followed, in limits for that after it.
    private static let followed = 8.0

    /// Receivers are fitted as a plan of `precision` will run them. Throws where spans are refused, or the text is no good.
    init(
        _ original: Model, options: SharingOptions, precision: WeightPrecision, calibration: String?,
        tokenizer: [UInt8], progress: Compilation.Progress
    ) throws(CompileError) {
        if case .spans(let spans) = options.choice {
            // Refusals come before minutes are spent.
            let shared = try attempt(CompileError.sharing) { () throws(ShareAttentionError) in
                try ShareAttention(spans).apply(to: original)
            }
            if options.method == .plain {
                (model, passReport) = shared
                packed = [:]
                report = SharingReport(original: original, shared: shared.model)
                return
            }
        }
        try original.checkFinite()
        let all = try CalibrationTokens(path: calibration, tokenizer: tokenizer, model: original)
        let (tokens, heldOut) = try attempt(CompileError.calibration) { () throws(CalibrationError) in
            try all.splitToMeasure(most: SharingPlan.mostChunks, path: calibration)
        }
        let similarity = try AttentionSimilarity(original, tokens: tokens, progress: progress)
        let trial = Trial(
            original: original, method: options.method, precision: precision, tokens: tokens, heldOut: heldOut,
            similarity: similarity, reference: try HiddenStates(behind: original, heldOut))
        var search: LayerSearch?
        let found: Trial.Result
        switch options.choice {
        case .spans(let spans): found = try trial.run(spans, progress)
        case .count(let count):
            let chosen = try LayerSearch(
                sharingIn: original, tokens: tokens, similarity: options.method == .plain ? nil : similarity)
            try chosen.grow(to: count, progress: progress)
            search = chosen
            found = try trial.run(trial.spans(chosen.layers(first: count)), progress)
        case .divergence(let limit):
            let chosen = try LayerSearch(
                sharingIn: original, tokens: tokens, similarity: options.method == .plain ? nil : similarity)
            try chosen.grow(to: original.blocks.count, limit: SharingPlan.followed * limit, progress: progress)
            search = chosen
            found = try LayerSearch.longest(of: chosen.steps.count, within: limit) { count throws(CompileError) in
                let result = try trial.run(trial.spans(chosen.layers(first: count)), progress)
                return (result, result.measurement.divergence)
            }
        }
        model = found.shared.model
        packed = found.packed
        passReport = found.shared.report
        report = SharingReport(
            original: original, shared: found.shared.model, similarity: similarity, search: search,
            outcomes: found.outcomes, measurement: found.measurement)
    }
}

/// Shares, repairs and measures.
private struct Trial {
    let original: Model
    let method: SharingMethod
    let precision: WeightPrecision
    let tokens: CalibrationTokens
    let heldOut: CalibrationTokens
    let similarity: AttentionSimilarity
    /// The original model's behind the last layer, of the held-out text.
    let reference: HiddenStates

    struct Result {
        let shared: (model: Model, report: PassReport)
        let packed: [LayerTensor: PackedMatrix]
        let outcomes: [SharingRepair.Outcome]
        let measurement: HeldOutMeasurement
    }

    func spans(_ receivers: Set<Int>) -> [ShareAttention.Span] {
        ShareAttention.Span.spans(of: receivers, method == .plain ? nil : similarity)
    }

    func run(_ spans: [ShareAttention.Span], _ progress: Compilation.Progress) throws(CompileError) -> Result {
        let mapped = method == .plain ? spans : spans.map { $0.mappingHeads(by: similarity) }
        var shared = try attempt(CompileError.sharing) { () throws(ShareAttentionError) in
            try ShareAttention(mapped).apply(to: original)
        }
        var packed: [LayerTensor: PackedMatrix] = [:]
        var outcomes: [SharingRepair.Outcome] = []
        if method == .repaired {
            let repair = try SharingRepair(
                original: original, shared: shared.model, tokens: tokens, precision: precision)
            shared.model = try repair.run(progress: progress)
            (packed, outcomes) = (repair.packed, repair.outcomes)
        }
        progress("comparing", 1)
        let head = try HeadEvaluation(original)
        let states = try HiddenStates(behind: shared.model, heldOut)
        return Result(
            shared: shared, packed: packed, outcomes: outcomes,
            measurement: try HeldOutMeasurement(of: states, by: head, beside: reference, by: head, on: heldOut))
    }
}
