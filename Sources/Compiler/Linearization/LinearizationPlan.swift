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
        // Refusals come before minutes are spent.
        for form in options.forms {
            if case .layers(let layers) = options.choice {
                _ = try original.linearized(Dictionary(layers.map { ($0, form) }) { first, _ in first })
            } else if let first = original.blocks.firstIndex(where: \.computesWeights) {
                _ = try original.linearized([first: form])
            }
        }
        try source.checkFinite()
        let (tokens, heldOut) = try LinearizationPlan.text(
            for: original, options.forms, calibration: calibration, tokenizer: tokenizer)
        let trial = try LinearizationTrial(
            original, of: source, method: options.method, tokens: tokens, heldOut: heldOut)
        var search: LayerSearch?
        let found: LinearizationTrial.Result
        switch (options.choice, options.forms.first) {
        case (.layers(let layers), .some(let form)) where options.forms.count == 1:
            found = try trial.run(Dictionary(layers.map { ($0, form) }) { first, _ in first }, progress)
        case (.layers(let layers), _):
            let choice = try FormChoice(options.forms, for: layers, trial, progress: progress)
            found = try trial.run(choice.forms, progress)
        case (.count(let count), _):
            let choice = try FormChoice(options.forms, for: original.blocks.indices, trial, progress: progress)
            let chosen = try choice.search(in: trial)
            try chosen.grow(to: count, progress: progress)
            search = chosen
            let layers = chosen.layers(first: count)
            found = try trial.run(choice.forms.filter { layers.contains($0.key) }, progress)
        case (.divergence(let limit), _):
            let choice = try FormChoice(options.forms, for: original.blocks.indices, trial, progress: progress)
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

    /// Sequences several times as long as what the forms reach over, to choose on and to measure on.
    private static func text(
        for model: Model, _ forms: [LinearForm], calibration: String?, tokenizer: [UInt8]
    ) throws(CompileError) -> (calibration: CalibrationTokens, heldOut: CalibrationTokens) {
        let reach = forms.reduce(0) { max($0, $1.reach) }
        // Of several lengths the first is the middle one.
        let usual = max(4 * min(forms.first?.reach ?? 0, longestChunk), 2 * min(reach, longestChunk))
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
