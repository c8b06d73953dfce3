import Models
import Passes

/// Which form each layer does best with, by what it costs alone and the state that it takes, and the layers with those forms.
struct FormChoice {
    /// Tokens that are fitted to before the choice, at the most: the layers that are chosen are fitted to more.
    private static let mostTokens = 8192

    /// Layers that have no form are those that cannot be linearized.
    private(set) var forms: [Int: LinearForm] = [:]
    /// The layers as they are with their forms, each fitted by itself.
    private var blocks: [Int: Block] = [:]

    /// Tries every one of `candidates` on every one of `layers`, and takes those that cost least together, for no more state
    /// than the first candidate takes in all of them. Throws where the text is no good, or a fit is.
    init(
        _ candidates: [LinearForm], for layers: some Sequence<Int>, _ trial: LinearizationTrial,
        progress: Compilation.Progress
    ) throws(CompileError) {
        var options: [Int: [(form: LinearForm, block: Block)]] = [:]
        for layer in layers {
            for form in candidates {
                guard let block = try? trial.original.linearized([layer: form]).blocks[layer] else { continue }
                options[layer, default: []].append((form, block))
            }
        }
        if trial.method == .fitted {
            let tokens = trial.tokens.prefix(max(1, FormChoice.mostTokens / trial.tokens.chunkLength))
            options = try LinearizationRepair(original: trial.original, tokens: tokens)
                .runAlone(options.mapValues { $0.map(\.form) }, progress: progress)
        }
        let order = options.keys.sorted()
        let choice = try FormChoice.choice(
            order.compactMap { layer in options[layer].map { (layer, $0) } }, trial, progress)
        for (layer, option) in zip(order, choice) {
            guard let chosen = options[layer]?[option] else { continue }
            (forms[layer], blocks[layer]) = (chosen.form, chosen.block)
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

    /// Which of its options each layer takes.
    private static func choice(
        _ options: [(layer: Int, forms: [(form: LinearForm, block: Block)])], _ trial: LinearizationTrial,
        _ progress: Compilation.Progress
    ) throws(CompileError) -> [Int] {
        let most = options.map(\.forms.count).max() ?? 0
        // Alone there is nothing to choose between.
        guard most > 1 else { return options.map { _ in 0 } }
        var units = options.map { _ in (bytes: [Int](), costs: [Double]()) }
        for number in 0..<most {
            let tried = options.filter { $0.forms.count > number }.map { ($0.layer, $0.forms[number].block) }
            let search = try search(Dictionary(tried) { first, _ in first }, trial)
            try search.grow(to: 0) { name, share in progress(name, (Double(number) + share) / Double(most)) }
            for (index, option) in options.enumerated() where option.forms.count > number {
                units[index].costs.append(max(0, search.alone[option.layer] ?? .greatestFiniteMagnitude))
                units[index].bytes.append(
                    trial.original.replacing([option.layer: option.forms[number].block]).largestStateBytes)
            }
        }
        let budget = ByteBudget(units: units.map { ByteBudget.Unit(bytes: $0.bytes, costs: $0.costs) })
        let limit = units.reduce(0) { $0 + ($1.bytes.first ?? 0) }
        return budget.choose(within: limit) ?? options.map { _ in 0 }
    }
}

extension Model {
    fileprivate func replacing(_ others: [Int: Block]) -> Model {
        var model = self
        for (layer, block) in others { model.blocks[layer] = block }
        return model
    }
}
