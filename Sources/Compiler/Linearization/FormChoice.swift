import Models
import Passes

/// What each of some forms costs in each of some layers, and the forms that do best together.
///
/// A form is measured where all other layers have their first one: what a layer reaches matters less or more when those around
/// it reach less.
struct FormChoice {
    /// A layer as it is with one of the forms.
    private struct Option {
        let form: LinearForm
        let block: Block
        /// What the layer keeps of a sequence as long as the model's context.
        var bytes = 0
        /// The divergence of the predictions with it.
        var cost = 0.0
    }

    /// Tokens that are fitted to before the choice, at the most: the layers that are chosen are fitted to more.
    private static let mostTokens = 8192

    /// Layers without an option are those that cannot be linearized.
    private var options: [Int: [Option]]

    /// Tries every one of `candidates` on every one of `layers`. Throws where the text is no good, or a fit is.
    init(
        _ candidates: [LinearForm], for layers: some Sequence<Int>, _ trial: LinearizationTrial,
        progress: Compilation.Progress
    ) throws(CompileError) {
        var blocks = FormChoice.blocks(candidates, for: layers, of: trial.original)
        // Alone there is nothing to choose between.
        let isChoice = candidates.count > 1
        if isChoice { blocks = try FormChoice.fitted(blocks, trial, alone: false, progress) }
        options = blocks.mapValues { $0.map { Option(form: $0.form, block: $0.block) } }
        guard isChoice else { return }
        let first = trial.original.replacing(options.compactMapValues(\.first?.block))
        let variants = try VariantDivergence(from: trial.original, base: first, tokens: trial.tokens)
        let usual = try variants.divergence(of: first, from: first.blocks.count)
        for (count, layer) in options.keys.sorted().enumerated() {
            for (number, option) in (options[layer] ?? []).enumerated() {
                options[layer]?[number].bytes = trial.original.replacing([layer: option.block]).largestStateBytes
                let model = first.replacing([layer: option.block])
                options[layer]?[number].cost =
                    number == 0 ? usual : try variants.divergence(of: model, from: layer)
            }
            progress("choosing forms", Double(count + 1) / Double(options.count))
        }
    }

    /// The forms of some of the layers, all where they are left out, that cost least together, for no more state than the first
    /// candidate takes in all of them.
    func forms(of layers: Set<Int>? = nil) -> [Int: LinearForm] {
        let order = options.keys.sorted().filter { layers?.contains($0) ?? true }
        let units = order.map { layer in
            let options = options[layer] ?? []
            return ByteBudget.Unit(bytes: options.map(\.bytes), costs: options.map(\.cost))
        }
        let limit = units.reduce(0) { $0 + ($1.bytes.first ?? 0) }
        let choice = ByteBudget(units: units).choose(within: limit) ?? units.map { _ in 0 }
        var chosen: [Int: LinearForm] = [:]
        for (layer, option) in zip(order, choice) { chosen[layer] = options[layer]?[option].form }
        return chosen
    }

    /// The search for layers that cost least in one form.
    static func search(
        _ form: LinearForm, _ trial: LinearizationTrial, progress: Compilation.Progress
    ) throws(CompileError) -> LayerSearch {
        var blocks = FormChoice.blocks([form], for: trial.original.blocks.indices, of: trial.original)
        blocks = try fitted(blocks, trial, alone: true, progress)
        let changed = blocks.compactMapValues(\.first?.block)
        return try LayerSearch(trial.original, tokens: trial.tokens) { layers, added in
            guard changed[added] != nil else { return nil }
            return (trial.original.replacing(changed.filter { layers.contains($0.key) }), added)
        }
    }

    /// Layers of a model, each in the forms that it can have.
    private typealias Blocks = [Int: [(form: LinearForm, block: Block)]]

    private static func blocks(
        _ candidates: [LinearForm], for layers: some Sequence<Int>, of model: Model
    ) -> Blocks {
        var blocks: Blocks = [:]
        for layer in layers {
            for form in candidates {
                guard let block = try? model.linearized([layer: form]).blocks[layer] else { continue }
                blocks[layer, default: []].append((form, block))
            }
        }
        return blocks
    }

    /// The same, fitted where that is asked for.
    private static func fitted(
        _ blocks: Blocks, _ trial: LinearizationTrial, alone: Bool, _ progress: Compilation.Progress
    ) throws(CompileError) -> Blocks {
        guard trial.method == .fitted else { return blocks }
        let tokens = trial.tokens.prefix(max(1, mostTokens / trial.tokens.chunkLength))
        return try LinearizationRepair(original: trial.original, tokens: tokens, precision: .f32)
            .runEach(blocks.mapValues { $0.map(\.form) }, alone: alone, progress: progress)
    }
}

extension Model {
    fileprivate func replacing(_ others: [Int: Block]) -> Model {
        var model = self
        for (layer, block) in others { model.blocks[layer] = block }
        return model
    }
}
