import Lowering
import Models
import Passes
import Plans
import Quantization

/// Which option each matrix gets so that the plan meets its target, found before anything is written.
struct QuantizationPlan {
    /// The model with its channels equalized, where that lowers errors.
    let model: Model
    /// What equalizing did.
    let equalization: PassReport
    /// Of that model.
    let units: [QuantizationUnit]
    let tokens: CalibrationTokens
    /// Text that neither measuring nor rounding sees.
    let heldOut: CalibrationTokens
    /// In the order of the units.
    let sensitivities: [SensitivityAnalysis.Result]
    let options: [PackingOption]

    /// Options by the names of tensors.
    var optionsByName: [String: PackingOption] {
        Dictionary(uniqueKeysWithValues: zip(units.map(\.name), options))
    }

    /// Measures and chooses. `size` gives the size of the whole plan of a model with the packings given, by the names of
    /// tensors.
    ///
    /// Throws before it measures where the text is no good, a weight is not finite, or the target cannot be met.
    init(
        _ model: Model, options quantization: QuantizationOptions, calibration: String?, tokenizer: [UInt8],
        progress: Compilation.Progress,
        size: (Model, [String: MatrixChoice]) throws(CompileError) -> Int
    ) throws(CompileError) {
        let units = QuantizationUnit.all(of: model)
        guard !units.isEmpty, !model.blocks.isEmpty else { throw .calibration(.noRows) }
        (tokens, heldOut) = try CalibrationTokens(
            path: calibration, tokenizer: tokenizer, model: model
        ).split()
        progress("checking", 0)
        try model.checkFinite()
        let unitBytes = units.map { unit in
            PackingOption.all.map { $0.packing.matrixBytes(rows: unit.rows, columns: unit.columns) ?? Int.max / 1024 }
        }
        let limit =
            switch quantization.target {
            case .bytes(let bytes): bytes
            case .bitsPerWeight(let bits):
                Int(min(bits / 8 * Double(model.weightCount), Double(Int.max / 2)))
            }
        let smallestOptions = unitBytes.map { bytes in bytes.indices.min { (bytes[$0], $0) < (bytes[$1], $1) } ?? 0 }
        let smallest = try size(model, QuantizationPlan.choices(units, smallestOptions))
        guard smallest <= limit else {
            throw .calibration(
                .targetTooSmall(
                    bytes: limit, smallest: smallest,
                    smallestBitsPerWeight: 8 * Double(smallest) / Double(max(1, model.weightCount))))
        }
        sensitivities = try SensitivityAnalysis(
            model: model, tokens: tokens, units: units, rounding: quantization.rounding
        ).run(progress: progress)
        var (equalized, report) = QuantizationPlan.equalize(model, units, sensitivities)
        var smallestEqualized = try size(equalized, QuantizationPlan.choices(units, smallestOptions))
        if smallestEqualized > limit {
            // Norms that had no weight got one.
            (equalized, report) = EqualizeChannels(layers: []).apply(to: model)
            smallestEqualized = smallest
        }
        self.model = equalized
        equalization = report
        self.units = QuantizationUnit.all(of: equalized)
        let budget = ByteBudget(
            units: zip(unitBytes, sensitivities).map { bytes, result in
                ByteBudget.Unit(bytes: bytes, costs: PackingOption.all.indices.map(result.divergence))
            })
        // What is no matrix takes a little more or less room as packings change.
        var room = limit - (smallestEqualized - budget.smallest)
        var chosen = smallestOptions
        for _ in 0..<4 {
            guard let choice = budget.choose(within: room) else { break }
            let excess = try size(equalized, QuantizationPlan.choices(units, choice)) - limit
            if excess <= 0 {
                chosen = choice
                break
            }
            room -= excess
        }
        options = chosen.map { PackingOption.all[$0] }
    }

    /// What was chosen, in one sentence.
    var summary: String {
        var counts: [PackingOption: Int] = [:]
        for option in options { counts[option, default: 0] += 1 }
        let parts = PackingOption.all.compactMap { option in
            counts[option].map { "\($0) x \(option.bits.rawValue)/\(option.groupSize.rawValue)" }
        }
        let divergence = zip(sensitivities, options).reduce(0.0) { sum, pair in
            sum + pair.0.divergence(PackingOption.all.firstIndex(of: pair.1) ?? 0)
        }
        return "matrices by bits and group: \(parts.joined(separator: ", ")); divergence predicted "
            + divergence.rounded(toDecimals: 4)
    }

    /// The model with the factors on its channels that were found.
    private static func equalize(
        _ model: Model, _ units: [QuantizationUnit], _ sensitivities: [SensitivityAnalysis.Result]
    ) -> (model: Model, report: PassReport) {
        var layers = [EqualizeChannels.Factors](repeating: EqualizeChannels.Factors(), count: model.blocks.count)
        for (unit, sensitivity) in zip(units, sensitivities) {
            if case .layer(let matrix) = unit.place, let found = sensitivity.equalization {
                layers[matrix.layer][matrix.matrix] = found.factors
            }
        }
        return EqualizeChannels(layers: layers).apply(to: model)
    }

    private static func choices(_ units: [QuantizationUnit], _ options: [Int]) -> [String: MatrixChoice] {
        Dictionary(
            uniqueKeysWithValues: zip(units, options).map { ($0.name, .packing(PackingOption.all[$1].packing)) })
    }
}

extension Model {
    /// Weights in matrices; those of a tied head count once.
    var weightCount: Int {
        let isTied = head.name == embedding.name
        let layers = blocks.flatMap { block in LayerMatrix.allCases.flatMap { $0.stack(of: block) } }
        return ([embedding] + (isTied ? [] : [head]) + layers).reduce(0) { $0 + $1.rows * $1.columns }
    }
}
