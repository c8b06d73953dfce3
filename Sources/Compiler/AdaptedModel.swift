import Checkpoints
import Models
import Passes

/// A model with the changes of an adapter, and what they cost where layers share attention weights or are linearized.
struct AdaptedModel {
    let model: Model
    let passReports: [PassReport]
    /// Nil where the adapter lets no layer share.
    let sharing: SharingReport?
    /// Nil where it linearizes no layer.
    let linearization: LinearizationReport?

    /// Throws where the adapter is damaged or belongs to another model, or the text is no good.
    init(
        _ original: Model, adapter path: String, calibration: String?, tokenizer: [UInt8],
        progress: Compilation.Progress
    ) throws(CompileError) {
        let adapter = try attempt(CompileError.checkpoint) { () throws(CheckpointError) in try Adapter(path) }
        let shared = try attempt(CompileError.sharing) { () throws(ShareAttentionError) in
            try ShareAttention(adapter.spans).apply(to: original)
        }
        let forms = adapter.linearized
        let linearized = try attempt(CompileError.linearization) { () throws(LinearizeAttentionError) in
            try LinearizeAttention(forms).apply(to: shared.model)
        }
        model = try attempt(CompileError.checkpoint) { () throws(CheckpointError) in
            var model = linearized.model
            try model.apply(adapter)
            return model
        }
        passReports =
            (adapter.receivers.isEmpty ? [] : [shared.report]) + (forms.isEmpty ? [] : [linearized.report])
            + [PassReport(name: "adapt", summary: adapter.summary)]
        guard !adapter.receivers.isEmpty || !forms.isEmpty else {
            (sharing, linearization) = (nil, nil)
            return
        }
        try original.checkFinite()
        let all = try CalibrationTokens(path: calibration, tokenizer: tokenizer, model: original)
        let heldOut = try attempt(CompileError.calibration) { () throws(CalibrationError) in
            try all.splitToMeasure(path: calibration).heldOut
        }
        progress("comparing", 0)
        let head = try HeadEvaluation(original)
        let reference = try HiddenStates(behind: original, heldOut)
        progress("comparing", 0.5)
        let states = try HiddenStates(behind: model, heldOut)
        let measurement = try HeldOutMeasurement(of: states, by: head, beside: reference, by: head, on: heldOut)
        sharing =
            adapter.receivers.isEmpty
            ? nil : SharingReport(original: original, shared: model, measurement: measurement)
        linearization =
            forms.isEmpty
            ? nil : LinearizationReport(original: original, linearized: model, search: nil, measurement: measurement)
    }
}

extension Adapter {
    /// Receivers that follow each other and have one donor are one span.
    fileprivate var spans: [ShareAttention.Span] {
        var spans: [ShareAttention.Span] = []
        for receiver in receivers {
            if let last = spans.last, last.donor == receiver.donor, last.receivers.upperBound == receiver.layer - 1 {
                spans[spans.count - 1].receivers = last.receivers.lowerBound...receiver.layer
            } else {
                spans.append(ShareAttention.Span(receiver.layer...receiver.layer))
            }
            spans[spans.count - 1].headMaps[receiver.layer] = receiver.headMap
        }
        return spans
    }
}
