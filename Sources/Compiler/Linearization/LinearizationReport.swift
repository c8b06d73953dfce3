import Checkpoints
import Models
import Passes

/// Which layers were linearized, what their states take, and what that cost.
public struct LinearizationReport: Sendable {
    /// One layer whose state does not grow.
    struct Layer: Sendable {
        let layer: Int
        let form: LinearizedForm
        /// The divergence of the predictions with this layer as the only one, in nats.
        let divergenceAlone: Double?
        /// The same with all layers that were chosen up to this one.
        let divergenceSoFar: Double?
        /// Nil where nothing was fitted.
        let outcome: LinearizationRepair.Outcome?
    }

    let layers: [Layer]
    /// By layer.
    var forms: [Int: LinearizedForm] {
        Dictionary(layers.map { ($0.layer, $0.form) }) { first, _ in first }
    }
    /// Bytes of keys and values in float16: what a position takes in layers that see everything, and what the others take.
    let stateBytes: (perPosition: Int, constant: Int)
    let originalStateBytes: (perPosition: Int, constant: Int)
    public let measurement: HeldOutMeasurement

    init(
        original: Model, linearized: Model, search: LayerSearch?, outcomes: [LinearizationRepair.Outcome] = [],
        measurement: HeldOutMeasurement
    ) {
        var layers: [Layer] = []
        for (layer, block) in linearized.blocks.enumerated() {
            guard case .attention(let attention) = block.mixer,
                case .attention(let before) = original.blocks[layer].mixer, before.form != attention.form
            else { continue }
            let form: LinearizedForm
            switch attention.form {
            case .softmax(_, let window):
                guard let window else { continue }
                form = .window(window)
            case .grouped(let grouped): form = .grouped(grouped)
            }
            layers.append(
                Layer(
                    layer: layer, form: form, divergenceAlone: search?.alone[layer],
                    divergenceSoFar: search?.steps.first { $0.layer == layer }?.divergence,
                    outcome: outcomes.first { $0.layer == layer }))
        }
        self.layers = layers
        stateBytes = linearized.stateBytes
        originalStateBytes = original.stateBytes
        self.measurement = measurement
    }

    /// Everything, as JSON.
    public var json: JSON {
        func number(_ value: Double?) -> JSON { value.map(JSON.number) ?? .null }
        return .members([
            (
                "layers",
                .array(
                    layers.map { each in
                        .members(
                            [("layer", .count(each.layer))] + each.form.members + [
                                ("kl_alone", number(each.divergenceAlone)), ("kl_so_far", number(each.divergenceSoFar)),
                            ] + (each.outcome?.members ?? []))
                    })
            ),
            ("state_bytes_per_position", .count(stateBytes.perPosition)),
            ("state_bytes_constant", .count(stateBytes.constant)),
            ("state_bytes_per_position_before", .count(originalStateBytes.perPosition)),
            ("state_bytes_constant_before", .count(originalStateBytes.constant)), ("held_out", measurement.json),
        ])
    }

    /// Adds what there is to say to a page.
    func add(to page: inout HTMLPage) {
        page.section("Linearized attention")
        func text(_ bytes: (perPosition: Int, constant: Int)) -> String {
            "\(bytes.perPosition.grouped) bytes a position and \(bytes.constant.grouped) that do not grow"
        }
        let facts =
            [
                ("layers whose state does not grow", "\(layers.count)"),
                ("state in float16", "\(text(stateBytes)); before: \(text(originalStateBytes))"),
            ] + measurement.facts
        page.facts(facts.map { (name: $0.0, value: $0.1) })
        var table = TextTable(
            header: [
                "layer", "attention", "KL alone", "KL so far", "heads, window alone", "heads, fitted",
                "output before", "output after",
            ], rightAligned: Set(2..<8).union([0]))
        func cell(_ value: Double?) -> String { value.map { $0.significant(3) } ?? "" }
        for each in layers {
            let outcome = each.outcome
            table.add(
                "\(each.layer)", each.form.text, cell(each.divergenceAlone), cell(each.divergenceSoFar),
                cell(outcome?.features?.window), cell(outcome?.features?.fitted), cell(outcome?.output.priorError),
                cell(outcome?.output.error))
        }
        page.table(
            table,
            caption: "KL: mean divergence of the predictions from the model before this pass in nats, with this layer "
                + "alone and with all that were chosen up to it. The other numbers are shares of the energy that the heads "
                + "return, or that the attention adds to the residual stream, which are missed on text that was not fitted."
        )
    }
}

extension LinearizationRepair.Outcome {
    fileprivate var members: [(String, JSON)] {
        func fit(_ before: Double, _ after: Double) -> JSON {
            .members([("before", .number(before)), ("after", .number(after))])
        }
        return [
            ("heads", features.map { fit($0.window, $0.fitted) } ?? .null),
            ("output", fit(output.priorError, output.error)),
        ]
    }
}

extension LinearizedForm {
    fileprivate var members: [(String, JSON)] {
        switch self {
        case .window(let window):
            [("window", .count(window.length)), ("sinks", .count(window.sinks))]
                + (window.distant.map { [("block", .count($0.block)), ("features", .count(2 * $0.rows))] } ?? [])
        case .grouped(let grouped):
            [
                ("group", .count(grouped.group)), ("alpha", .number(Double(grouped.alpha))),
                ("taps", .count(grouped.taps.first?.count ?? 0)),
            ]
        }
    }
}
