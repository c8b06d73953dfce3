import Models
import Passes

/// A model whose layers are chosen and linearized as the options say, with what that cost.
struct LinearizationPlan {
    let model: Model
    let passReport: PassReport
    let report: LinearizationReport

    /// Tokens of a calibration sequence at the most: rows that a step can have.
    private static let longestChunk = 4096

    /// Layers are chosen by the divergence from `original`; the result is measured beside `source`, the model before every
    /// pass. Throws where layers or windows are refused, or the text is no good.
    init(
        _ original: Model, of source: Model, options: LinearizationOptions, calibration: String?, tokenizer: [UInt8],
        progress: Compilation.Progress
    ) throws(CompileError) {
        func apply(_ layers: some Sequence<Int>) throws(CompileError) -> (model: Model, report: PassReport) {
            try attempt(CompileError.linearization) { () throws(LinearizeAttentionError) in
                try LinearizeAttention(layers, as: options.form).apply(to: original)
            }
        }
        // Refusals come before minutes are spent.
        if case .layers(let layers) = options.choice {
            _ = try apply(layers)
        } else if let first = original.blocks.firstIndex(where: \.computesWeights) {
            _ = try apply([first])
        }
        try source.checkFinite()
        let (tokens, heldOut) = try LinearizationPlan.text(
            for: original, options.form, calibration: calibration, tokenizer: tokenizer)
        let head = try HeadEvaluation(source)
        let reference = try HiddenStates(behind: source, heldOut)
        func measure(_ model: Model) throws(CompileError) -> HeldOutMeasurement {
            progress("comparing", 1)
            let states = try HiddenStates(behind: model, heldOut)
            return try HeldOutMeasurement(of: states, by: head, beside: reference, by: head, on: heldOut)
        }
        var search: LayerSearch?
        let (linearized, measurement): ((model: Model, report: PassReport), HeldOutMeasurement)
        switch options.choice {
        case .layers(let layers):
            linearized = try apply(layers)
            measurement = try measure(linearized.model)
        case .count(let count):
            let chosen = try LayerSearch(linearizing: original, as: options.form, tokens: tokens)
            try chosen.grow(to: count, progress: progress)
            search = chosen
            linearized = try apply(chosen.layers(first: count))
            measurement = try measure(linearized.model)
        case .divergence(let limit):
            let chosen = try LayerSearch(linearizing: original, as: options.form, tokens: tokens)
            try chosen.grow(to: original.blocks.count, limit: limit, progress: progress)
            search = chosen
            // What was chosen on calibration text has to hold on text that was not seen: the last layers go back.
            var count = chosen.steps.count
            var found = try apply(chosen.layers(first: count))
            var measured = try measure(found.model)
            while count > 0, !(measured.divergence <= limit) {
                count -= 1
                found = try apply(chosen.layers(first: count))
                measured = try measure(found.model)
            }
            (linearized, measurement) = (found, measured)
        }
        (model, passReport) = linearized
        report = LinearizationReport(
            original: original, linearized: linearized.model, search: search, measurement: measurement)
    }

    /// Sequences several times as long as what the form reaches over, to choose on and to measure on.
    private static func text(
        for model: Model, _ form: LinearizeAttention.Form, calibration: String?, tokenizer: [UInt8]
    ) throws(CompileError) -> (calibration: CalibrationTokens, heldOut: CalibrationTokens) {
        let reach =
            switch form {
            case .window(let window): window.length + window.sinks
            case .grouped(let grouped): grouped.group
            }
        var chunkLength = CalibrationTokens.chunkLength
        while chunkLength < 4 * min(reach, longestChunk), chunkLength < longestChunk { chunkLength *= 2 }
        let all = try CalibrationTokens(
            path: calibration, tokenizer: tokenizer, model: model, chunkLength: chunkLength)
        guard reach < all.chunkLength else {
            throw .calibration(.windowTooLong(positions: reach, chunkLength: all.chunkLength))
        }
        return try attempt(CompileError.calibration) { () throws(CalibrationError) in
            try all.splitToMeasure(path: calibration)
        }
    }
}

extension LayerSearch {
    /// Which layers may take a form.
    convenience init(
        linearizing model: Model, as form: LinearizeAttention.Form, tokens: CalibrationTokens
    ) throws(CompileError) {
        try self.init(model, tokens: tokens) { layers, added in
            guard let changed = try? LinearizeAttention(layers, as: form).apply(to: model).model else { return nil }
            return (changed, added)
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
