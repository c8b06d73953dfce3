import Lowering
import Models
import Passes

/// A model whose layers are chosen, linearized and fitted as the options say, with what that cost.
struct LinearizationPlan {
    let model: Model
    /// What was fitted, in this pass and before, as the plan has it.
    let packed: [LayerTensor: PackedMatrix]
    let passReport: PassReport
    let report: LinearizationReport

    /// Tokens of a calibration sequence at the most: rows that a step can have.
    private static let longestChunk = 4096
    /// Tokens that are fitted to at the most: more than quantizing uses, since a regression has more to find.
    private static let mostTokens = 32768
    /// How far the divergence before fitting is followed, in limits for that after it.
    private static let followed = 2.0

    /// Layers are chosen by the divergence from `original`; the result is measured beside `source`, the model before every
    /// pass. Layers are fitted as a plan of `precision` will run them, with what passes before have fitted. Throws where layers or forms are refused, a fit fails, or the text is no good.
    init(
        _ original: Model, of source: Model, options: LinearizationOptions, precision: WeightPrecision,
        packed: [LayerTensor: PackedMatrix], calibration: String?, tokenizer: [UInt8], progress: Compilation.Progress
    ) throws(CompileError) {
        let forms = try LinearizationPlan.forms(of: options, for: original)
        try source.checkFinite()
        let (tokens, heldOut) = try LinearizationPlan.text(
            for: original, forms, calibration: calibration, tokenizer: tokenizer)
        let trial = try LinearizationTrial(
            original, of: source, method: options.method, precision: precision, packed: packed, tokens: tokens,
            heldOut: heldOut)
        var search: LayerSearch?
        let found: LinearizationTrial.Result
        func choose(for layers: some Sequence<Int>) throws(CompileError) -> FormChoice {
            try FormChoice(forms, for: layers, trial, progress: progress)
        }
        switch options.choice {
        case .layers(let layers): found = try trial.run(choose(for: layers).forms(), progress)
        case .count(let count):
            let chosen = try FormChoice.search(options.form, trial, progress: progress)
            try chosen.grow(to: count, progress: progress)
            search = chosen
            found = try trial.run(choose(for: chosen.layers(first: count)).forms(), progress)
        case .divergence(let limit):
            let chosen = try FormChoice.search(options.form, trial, progress: progress)
            try chosen.grow(to: original.blocks.count, limit: LinearizationPlan.followed * limit, progress: progress)
            search = chosen
            let choice = try choose(for: chosen.layers(first: chosen.steps.count))
            // What was chosen on calibration text has to hold on text that was not seen: the last layers go back.
            found = try LayerSearch.longest(of: chosen.steps.count, within: limit) { count throws(CompileError) in
                let result = try trial.run(choice.forms(of: chosen.layers(first: count)), progress)
                return (result, result.measurement.divergence)
            }
        }
        (model, self.packed) = (found.model, found.packed)
        report = LinearizationReport(
            original: original, linearized: found.model, search: search, outcomes: found.outcomes,
            measurement: found.measurement)
        passReport = PassReport(name: "linearize", summary: LinearizeAttention(report.forms).summary)
    }

    /// The forms that layers can have: refusals of the usual one, and of layers, come before minutes are spent; of the others, a
    /// model of short context does not take all.
    private static func forms(
        of options: LinearizationOptions, for original: Model
    ) throws(CompileError) -> [LinearForm] {
        var layers: [Int] = []
        if case .layers(let named) = options.choice {
            layers = named
        } else if let first = original.blocks.firstIndex(where: \.computesWeights) {
            layers = [first]
        }
        func linearized(_ form: LinearForm) throws(CompileError) -> Model {
            try original.linearized(Dictionary(layers.map { ($0, form) }) { first, _ in first })
        }
        _ = try linearized(options.form)
        return [options.form] + options.others.filter { (try? linearized($0)) != nil }
    }

    /// Sequences several times as long as what the forms reach over, to choose on and to measure on.
    private static func text(
        for model: Model, _ forms: [LinearForm], calibration: String?, tokenizer: [UInt8]
    ) throws(CompileError) -> (calibration: CalibrationTokens, heldOut: CalibrationTokens) {
        let reach = forms.reduce(0) { max($0, $1.reach) }
        // Of several lengths the usual one is first, and the longest has to leave something out.
        let usual = max(4 * min(forms.first?.reach ?? 0, longestChunk), 3 * min(reach, longestChunk) / 2)
        var chunkLength = CalibrationTokens.chunkLength
        while chunkLength < usual, chunkLength < longestChunk { chunkLength *= 2 }
        let all = try CalibrationTokens(
            path: calibration, tokenizer: tokenizer, model: model, chunkLength: chunkLength)
        guard reach < all.chunkLength else {
            throw .calibration(.windowTooLong(positions: reach, chunkLength: all.chunkLength))
        }
        return try attempt(CompileError.calibration) { () throws(CalibrationError) in
            try all.splitToMeasure(most: max(1, mostTokens / all.chunkLength), path: calibration)
        }
    }
}

extension Block {
    /// Whether the layer has attention weights of its own.
    fileprivate var computesWeights: Bool {
        switch mixer {
        case .attention(let attention): attention.hasWeights
        case .sharedAttention: false
        }
    }
}
