import Models
import Passes

/// Which form each layer does best with, by what it costs alone for each byte of state that it saves, and the layers with those
/// forms.
struct FormChoice {
    /// Layers that have no form are those that cannot be linearized.
    private(set) var forms: [Int: LinearForm] = [:]
    /// The layers as they are with their forms, each fitted by itself.
    private var blocks: [Int: Block] = [:]

    /// Tries every one of `candidates` on every one of `layers`. Throws where the text is no good, or a fit is.
    init(
        _ candidates: [LinearForm], for layers: some Sequence<Int>, _ trial: LinearizationTrial,
        progress: Compilation.Progress
    ) throws(CompileError) {
        var best: [Int: Double] = [:]
        for (number, form) in candidates.enumerated() {
            var found: [Int: Block] = [:]
            for layer in layers {
                found[layer] = try? trial.original.linearized([layer: form]).blocks[layer]
            }
            if trial.method == .fitted {
                let forms = found.mapValues { _ in form }
                let repair = LinearizationRepair(original: trial.original, forms: forms, tokens: trial.tokens)
                found = try repair.runAlone { name, share in
                    progress(name, (Double(number) + share) / Double(candidates.count))
                }
            }
            // Alone there is nothing to choose between.
            let costs = candidates.count == 1 ? [:] : try FormChoice.costs(of: found, trial, progress)
            for (layer, block) in found {
                let saved =
                    trial.original.largestStateBytes - trial.original.replacing([layer: block]).largestStateBytes
                let cost = max(0, costs[layer] ?? 0) / Double(max(1, saved))
                guard cost < best[layer] ?? .infinity else { continue }
                (best[layer], forms[layer], blocks[layer]) = (cost, form, block)
            }
        }
    }

    /// The search for layers to linearize with these forms.
    func search(in trial: LinearizationTrial) throws(CompileError) -> LayerSearch {
        try FormChoice.search(blocks, trial)
    }

    private static func search(_ blocks: [Int: Block], _ trial: LinearizationTrial) throws(CompileError) -> LayerSearch
    {
        try LayerSearch(trial.original, tokens: trial.tokens) { layers, added in
            guard blocks[added] != nil else { return nil }
            return (trial.original.replacing(blocks.filter { layers.contains($0.key) }), added)
        }
    }

    private static func costs(
        of blocks: [Int: Block], _ trial: LinearizationTrial, _ progress: Compilation.Progress
    ) throws(CompileError) -> [Int: Double] {
        let search = try search(blocks, trial)
        try search.grow(to: 0, progress: progress)
        return search.alone
    }
}

extension Model {
    fileprivate func replacing(_ others: [Int: Block]) -> Model {
        var model = self
        for (layer, block) in others { model.blocks[layer] = block }
        return model
    }
}
