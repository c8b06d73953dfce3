import Models
import Passes

/// A model whose layers are chosen, linearized and fitted as the options say, with what that cost.
struct LinearizationPlan {
    let model: Model
    let passReport: PassReport
    let report: LinearizationReport

    /// Tokens of a calibration sequence at the most: rows that a step can have.
    private static let longestChunk = 4096
    /// Tokens that are fitted to at the most: more than quantizing uses, since a regression has more to find.
    private static let mostTokens = 32768
    /// How far the divergence before fitting is followed, in limits for that after it.
    private static let followed = 2.0

    /// Layers are chosen by the divergence from `original`; the result is measured beside `source`, the model before every
    /// pass. Throws where layers or forms are refused, a fit fails, or the text is no good.
    init(
        _ original: Model, of source: Model, options: LinearizationOptions, calibration: String?, tokenizer: [UInt8],
        progress: Compilation.Progress
    ) throws(CompileError) {
        let forms = try LinearizationPlan.forms(of: options, for: original)
        try source.checkFinite()
        let (tokens, heldOut) = try LinearizationPlan.text(
            for: original, forms, calibration: calibration, tokenizer: tokenizer)
        let trial = try LinearizationTrial(
            original, of: source, method: options.method, tokens: tokens, heldOut: heldOut)
        var search: LayerSearch?
        let found: LinearizationTrial.Result
        switch (options.choice, forms.first) {
        case (.layers(let layers), .some(let form)) where forms.count == 1:
            found = try trial.run(Dictionary(layers.map { ($0, form) }) { first, _ in first }, progress)
        case (.layers(let layers), _):
            let choice = try FormChoice(forms, for: layers, trial, progress: progress)
            found = try trial.run(choice.forms, progress)
        case (.count(let count), _):
            let choice = try FormChoice(forms, for: original.blocks.indices, trial, progress: progress)
            let chosen = try choice.search(in: trial)
            try chosen.grow(to: count, progress: progress)
            search = chosen
            let layers = chosen.layers(first: count)
            found = try trial.run(choice.forms.filter { layers.contains($0.key) }, progress)
        case (.divergence(let limit), _):
            let choice = try FormChoice(forms, for: original.blocks.indices, trial, progress: progress)
            let chosen = try choice.search(in: trial)
            try chosen.grow(to: original.blocks.count, limit: LinearizationPlan.followed * limit, progress: progress)
            search = chosen
            // What was chosen on calibration text has to hold on text that was not seen: the last layers go back.
            found = try LayerSearch.longest(of: chosen.steps.count, within: limit) { count throws(CompileError) in
                let layers = chosen.layers(first: count)
                let result = try trial.run(choice.forms.filter { layers.contains($0.key) }, progress)
                return (result, result.measurement.divergence)
            }
        }
        model = found.model
        report = LinearizationReport(
            original: original, linearized: found.model, search: search, outcomes: found.outcomes,
            measurement: found.measurement)
        passReport = PassReport(name: "linearize", summary: LinearizeAttention(report.forms).summary)
    }

    /// The forms that layers can have: refusals of the first one, and of layers, come before minutes are spent; of the others, a
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
        var forms: [LinearForm] = []
        for form in options.forms {
            do throws(CompileError) {
                _ = try original.linearized(Dictionary(layers.map { ($0, form) }) { first, _ in first })
                forms.append(form)
            } catch  where !forms.isEmpty {
                // There is another form to take.
            }
        }
        return forms
    }

    /// Sequences several times as long as what the forms reach over, to choose on and to measure on.
    private static func text(
        for model: Model, _ forms: [LinearForm], calibration: String?, tokenizer: [UInt8]
    ) throws(CompileError) -> (calibration: CalibrationTokens, heldOut: CalibrationTokens) {
        let reach = forms.reduce(0) { max($0, $1.reach) }
        // Of several lengths the first is the middle one, and the longest has to leave something out.
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
