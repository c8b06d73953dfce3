import Lowering
import Models
import Passes

/// What drafts do without (SWIFT, Xia et al. 2024), found on calibration text: one sublayer after the other, the one whose
/// absence changes the predictions least, and of these as many as make drafting fastest.
struct SkipPlan {
    let sublayers: Set<Sublayer>
    let passReport: PassReport

    /// The largest share of sublayers that is looked at.
    private static let mostShare = 0.6
    /// What verifying a few tokens takes beside a step of one.
    private static let verification = 1.1
    /// Tokens of a draft at the most.
    private static let longestDraft = 15

    init(
        _ model: Model, calibration: String?, tokenizer: [UInt8], progress: Compilation.Progress
    ) throws(CompileError) {
        try model.checkFinite()
        let all = try CalibrationTokens(path: calibration, tokenizer: tokenizer, model: model)
        let (tokens, heldOut) = try attempt(CompileError.calibration) { () throws(CalibrationError) in
            try all.splitToMeasure(path: calibration)
        }
        try self.init(model, tokens: tokens, heldOut: heldOut, progress: progress)
    }

    /// Searches on `tokens`, and measures on `heldOut`.
    init(
        _ model: Model, tokens: CalibrationTokens, heldOut: CalibrationTokens, progress: Compilation.Progress
    ) throws(CompileError) {
        let candidates = SkipPlan.candidates(of: model)
        let search = try LayerSearch(model, count: candidates.count, tokens: tokens) { chosen, added in
            (model.silencing(chosen.map { candidates[$0] }), candidates[added].layer)
        }
        try search.grow(to: Int(SkipPlan.mostShare * Double(candidates.count)), progress: progress)
        let order = search.steps.map { candidates[$0.layer] }
        let measured = try SkipPlan.agreements(of: model, skipping: order, on: heldOut)
        var best = (count: 0, speedUp: 1.0, agreement: 1.0)
        for (index, agreement) in measured.enumerated() {
            let cost = model.cost(without: order.prefix(index + 1))
            let speedUp = SkipPlan.speedUp(agreement: agreement, cost: cost)
            if speedUp > best.speedUp { best = (index + 1, speedUp, agreement) }
        }
        sublayers = Set(order.prefix(best.count))
        let percent = (100 * best.agreement).rounded()
        passReport = PassReport(
            name: "draft-skip",
            summary: best.count == 0
                ? "no drafts: whatever is skipped costs more than it gives"
                : "drafts without \(best.count) of \(candidates.count) sublayers, \(Int(percent)) % of tokens as without"
        )
    }

    /// Everything but in the first and the last layer; no mixer whose weights others use, or that uses those of another.
    private static func candidates(of model: Model) -> [Sublayer] {
        var donors: Set<Int> = []
        for block in model.blocks {
            if case .sharedAttention(let attention) = block.mixer { donors.insert(attention.donor) }
        }
        var found: [Sublayer] = []
        for layer in model.blocks.indices.dropFirst().dropLast() {
            if case .attention = model.blocks[layer].mixer, !donors.contains(layer) {
                found.append(Sublayer(layer: layer, part: .mixer))
            }
            found.append(Sublayer(layer: layer, part: .feedForward))
        }
        return found
    }

    /// How often the first token is the same with the first sublayers skipped: one, two, and so on.
    private static func agreements(
        of model: Model, skipping order: [Sublayer], on text: CalibrationTokens
    ) throws(CompileError) -> [Double] {
        let variants = try VariantDivergence(from: model, tokens: text)
        var found: [Double] = []
        for index in order.indices {
            found.append(try variants.agreement(of: model.silencing(Array(order[...index])), from: 0))
        }
        return found
    }

    /// Tokens for the time of a plain step, at the best length of drafts whose steps take `cost` of one.
    static func speedUp(agreement: Double, cost: Double) -> Double {
        var (best, expected, probability) = (0.0, 1.0, 1.0)
        for length in 1...longestDraft {
            probability *= agreement
            expected += probability
            best = max(best, expected / (Double(length) * cost + verification))
        }
        return best
    }
}

extension Model {
    /// The model with sublayers that add nothing.
    func silencing(_ sublayers: [Sublayer]) -> Model {
        var model = self
        for sublayer in sublayers {
            switch (sublayer.part, model.blocks[sublayer.layer].mixer, model.blocks[sublayer.layer].feedForward) {
            case (.mixer, .attention(var attention), _):
                attention.output.silence()
                model.blocks[sublayer.layer].mixer = .attention(attention)
            case (.mixer, .sharedAttention(var attention), _):
                attention.output.silence()
                model.blocks[sublayer.layer].mixer = .sharedAttention(attention)
            case (.feedForward, _, .gated(let gate, let up, var down)):
                down.silence()
                model.blocks[sublayer.layer].feedForward = .gated(gate: gate, up: up, down: down)
            }
        }
        return model
    }

    /// The weights that a step reads without some sublayers, beside those of a whole one.
    func cost(without sublayers: some Sequence<Sublayer>) -> Double {
        let all = blocks.indices.reduce(head.rows * head.columns) { sum, layer in
            sum + weights(of: Sublayer(layer: layer, part: .mixer))
                + weights(of: Sublayer(layer: layer, part: .feedForward))
        }
        return 1 - Double(sublayers.reduce(0) { $0 + weights(of: $1) }) / Double(max(1, all))
    }

    private func weights(of sublayer: Sublayer) -> Int {
        let matrices: [Linear]
        switch (sublayer.part, blocks[sublayer.layer].mixer, blocks[sublayer.layer].feedForward) {
        case (.mixer, .attention(let attention), _):
            matrices = [attention.query, attention.key, attention.value, attention.output]
        case (.mixer, .sharedAttention(let attention), _): matrices = [attention.value, attention.output]
        case (.feedForward, _, .gated(let gate, let up, let down)): matrices = [gate, up, down]
        }
        return matrices.reduce(0) { $0 + $1.weight.rows * $1.weight.columns }
    }
}

extension Linear {
    /// Makes all outputs zero.
    fileprivate mutating func silence() {
        weight.transforms.append(.rowsScaled(by: Array(repeating: 0, count: weight.rows)))
        bias?.transforms.append(.rowsScaled(by: Array(repeating: 0, count: weight.rows)))
    }
}
