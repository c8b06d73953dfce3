import Models

/// Which layers can be changed, found by what that does to the predictions.
///
/// One layer after the other is changed: the one with which the divergence of the predictions from the unmodified model is
/// least, measured on calibration text. What a layer would cost was measured in the rounds before, so each round measures
/// the cheapest few again and takes the best of them.
final class LayerSearch {
    /// A layer that was changed.
    struct Step {
        let layer: Int
        /// Of the predictions with all changes so far, in nats.
        let divergence: Double
    }

    /// The model with a set of layers changed, and the first layer that differs from the model without `added`; nil where
    /// that layer cannot be changed.
    typealias Change = (_ layers: Set<Int>, _ added: Int) -> (model: Model, first: Int)?

    /// Layers that are measured again in each round.
    private static let remeasured = 5

    /// Layers, or other things that can be changed one by one.
    private let layerCount: Int
    private let change: Change
    private let variants: VariantDivergence
    private(set) var steps: [Step] = []
    /// What each layer costs as the only one; layers that cannot be changed are missing.
    private(set) var alone: [Int: Double] = [:]

    /// What can be changed are the model's layers, unless their number says otherwise.
    init(
        _ model: Model, count: Int? = nil, tokens: CalibrationTokens, change: @escaping Change
    ) throws(CompileError) {
        layerCount = count ?? model.blocks.count
        self.change = change
        variants = try VariantDivergence(from: model, tokens: tokens)
    }

    /// Changes layers until there are `count` of them, the divergence exceeds `limit`, or no layer is left.
    func grow(to count: Int, limit: Double = .infinity, progress: Compilation.Progress) throws(CompileError) {
        for layer in 0..<layerCount {
            alone[layer] = try divergence(adding: layer)?.value
            progress("choosing layers", 0.5 * Double(layer + 1) / Double(layerCount))
        }
        var costs = alone
        while steps.count < count, steps.last?.divergence ?? 0 <= limit {
            let before = steps.last?.divergence ?? 0
            var best: (layer: Int, found: (value: Double, model: Model, first: Int))?
            for (layer, _) in costs.sorted(by: { ($0.value, $0.key) < ($1.value, $1.key) })
                .prefix(steps.isEmpty ? 1 : LayerSearch.remeasured)
            {
                guard let found = try divergence(adding: layer) else {
                    costs[layer] = nil
                    continue
                }
                costs[layer] = found.value - before
                if found.value < best?.found.value ?? .infinity { best = (layer, found) }
            }
            guard let best else { break }
            costs[best.layer] = nil
            steps.append(Step(layer: best.layer, divergence: best.found.value))
            try variants.move(to: best.found.model, from: best.found.first)
            progress("choosing layers", 0.5 + 0.5 * min(1, Double(steps.count) / Double(min(count, layerCount))))
        }
    }

    /// The first `count` layers that were changed.
    func layers(first count: Int) -> Set<Int> { Set(steps.prefix(count).map(\.layer)) }

    /// With the most of `count` changes, taken in their order, whose divergence stays within a limit: all of them, or as many as
    /// halving finds, down to none.
    static func longest<Result>(
        of count: Int, within limit: Double,
        _ run: (_ count: Int) throws(CompileError) -> (result: Result, divergence: Double)
    ) throws(CompileError) -> Result {
        var best: Result?
        var (kept, refused) = (0, count + 1)
        var next = count
        while kept + 1 < refused {
            let found = try run(next)
            if found.divergence <= limit {
                (kept, best) = (next, found.result)
            } else {
                refused = next
            }
            next = (kept + refused) / 2
        }
        if let best { return best }
        return try run(0).result
    }

    /// The divergence with one more layer changed, the model, and the first layer that is not as before; nil where the layer
    /// cannot be changed.
    private func divergence(
        adding layer: Int
    ) throws(CompileError) -> (value: Double, model: Model, first: Int)? {
        guard let (changed, first) = change(Set(steps.map(\.layer)).union([layer]), layer),
            variants.canBegin(with: first)
        else { return nil }
        return (try variants.divergence(of: changed, from: first), changed, first)
    }
}
