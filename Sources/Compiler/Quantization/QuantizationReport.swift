import Checkpoints

/// What quantization by measurement did, matrix by matrix, and what it cost.
public struct QuantizationReport: Sendable {
    /// One matrix of the program.
    struct Matrix: Sendable {
        let name: String
        /// The layer it belongs to; nil for embedding and head.
        let layer: Int?
        /// Which matrix of its layer it is, or which of the others.
        let kind: String
        let rows: Int
        let columns: Int
        let bits: Int
        let groupSize: Int
        let bytes: Int
        /// The mean divergence of the predictions, in nats, where this matrix alone is rounded to 4 bits in groups of 64.
        let probeDivergence: Double
        /// What the choice of the packing reckoned with.
        let predictedDivergence: Double
        /// The share of the outputs' energy that is wrong.
        let error: Double
        /// The same with every weight rounded to the nearest level.
        let nearestError: Double
        /// How far the columns were made alike, 0 for not at all; and what that did to the error, as a ratio.
        let equalization: (exponent: Double, errorRatio: Double)
    }

    let target: String
    let planBytes: Int
    let bitsPerWeight: Double
    let calibrationTokens: Int
    let matrices: [Matrix]
    /// Nil where the calibration text was too short to keep some of it back.
    public let measurement: HeldOutMeasurement?

    /// One line for the terminal.
    public var summary: String {
        measurement?.summary ?? "not measured: the calibration text leaves nothing to measure with"
    }

    /// Everything, as JSON.
    public var json: JSON {
        .members([
            ("target", .string(target)), ("plan_bytes", .count(planBytes)), ("bits_per_weight", .number(bitsPerWeight)),
            ("calibration_tokens", .count(calibrationTokens)), ("held_out", measurement.map(\.json) ?? .null),
            ("matrices", .array(matrices.map(\.json))),
        ])
    }

}

extension QuantizationReport.Matrix {
    fileprivate var json: JSON {
        .members([
            ("name", .string(name)), ("rows", .count(rows)), ("columns", .count(columns)), ("bits", .count(bits)),
            ("group", .count(groupSize)), ("bytes", .count(bytes)), ("probe_kl", .number(probeDivergence)),
            ("predicted_kl", .number(predictedDivergence)), ("error", .number(error)),
            ("nearest_error", .number(nearestError)), ("equalization", .number(equalization.exponent)),
            ("equalization_error_ratio", .number(equalization.errorRatio)),
        ])
    }
}

extension QuantizationReport {
    /// Puts together what was planned and what became of it.
    init(
        plan: QuantizationPlan, outcomes: [MeasuredQuantization.Outcome], measurement: HeldOutMeasurement?,
        target: String, planBytes: Int, bitsPerWeight: Double
    ) {
        var places: [String: Int] = [:]
        for (index, unit) in plan.units.enumerated() { places[unit.name] = index }
        matrices = outcomes.compactMap { outcome in
            guard let index = places[outcome.unit.name] else { return nil }
            let sensitivity = plan.sensitivities[index]
            let unit = outcome.unit
            let option = PackingOption.all.firstIndex(of: outcome.option) ?? 0
            return Matrix(
                name: unit.name, layer: unit.layer, kind: unit.kind, rows: unit.rows, columns: unit.columns,
                bits: outcome.option.bits.rawValue, groupSize: outcome.option.groupSize.rawValue,
                bytes: outcome.option.packing.matrixBytes(rows: unit.rows, columns: unit.columns) ?? 0,
                probeDivergence: sensitivity.probeDivergence, predictedDivergence: sensitivity.divergence(option),
                error: outcome.error, nearestError: outcome.nearestError,
                equalization: sensitivity.equalization.map { ($0.exponent, $0.errorRatio) } ?? (0, 1))
        }
        self.target = target
        self.planBytes = planBytes
        self.bitsPerWeight = bitsPerWeight
        calibrationTokens = plan.tokens.tokens.count
        self.measurement = measurement
    }
}

extension QuantizationUnit {
    fileprivate var layer: Int? {
        switch place {
        case .layer(let matrix): matrix.layer
        case .embedding, .head: nil
        }
    }

    fileprivate var kind: String {
        switch place {
        case .embedding(_, let isHead): isHead ? "embedding and head" : "embedding"
        case .layer(let matrix):
            switch matrix.matrix {
            case .projection: stack.count > 1 ? "query, key, value" : "value"
            case .attentionOutput: "attention output"
            case .gateUp: "gate, up"
            case .down: "down"
            }
        case .head: "head"
        }
    }
}
