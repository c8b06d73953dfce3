import Checkpoints
import Models

/// Which layers were linearized, what their states take, and what that cost.
public struct LinearizationReport: Sendable {
    /// One layer whose state does not grow.
    struct Layer: Sendable {
        let layer: Int
        let window: AttentionWindow
        /// The divergence of the predictions with this layer as the only one, in nats.
        let divergenceAlone: Double?
        /// The same with all layers that were chosen up to this one.
        let divergenceSoFar: Double?
    }

    let layers: [Layer]
    /// Bytes of keys and values in float16: what a position takes in layers that see everything, and what the others take.
    let stateBytes: (perPosition: Int, constant: Int)
    let originalStateBytes: (perPosition: Int, constant: Int)
    public let measurement: HeldOutMeasurement

    init(original: Model, linearized: Model, search: LayerSearch?, measurement: HeldOutMeasurement) {
        var layers: [Layer] = []
        for (layer, block) in linearized.blocks.enumerated() {
            guard case .softmaxAttention(let attention) = block.mixer, let window = attention.window,
                case .softmaxAttention(let before) = original.blocks[layer].mixer, before.window != window
            else { continue }
            layers.append(
                Layer(
                    layer: layer, window: window, divergenceAlone: search?.alone[layer],
                    divergenceSoFar: search?.steps.first { $0.layer == layer }?.divergence))
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
                        .members([
                            ("layer", .count(each.layer)), ("window", .count(each.window.length)),
                            ("sinks", .count(each.window.sinks)), ("kl_alone", number(each.divergenceAlone)),
                            ("kl_so_far", number(each.divergenceSoFar)),
                        ])
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
            header: ["layer", "window", "sinks", "KL alone", "KL so far"], rightAligned: [0, 1, 2, 3, 4])
        func cell(_ value: Double?) -> String { value.map { $0.significant(3) } ?? "" }
        for each in layers {
            table.add(
                "\(each.layer)", "\(each.window.length)", "\(each.window.sinks)", cell(each.divergenceAlone),
                cell(each.divergenceSoFar))
        }
        page.table(
            table,
            caption: "KL: mean divergence of the predictions from the model before this pass in nats, with this layer "
                + "alone and with all that were chosen up to it.")
    }
}

extension Model {
    /// Bytes of keys and values in float16, of layers that see everything and of those with a window.
    fileprivate var stateBytes: (perPosition: Int, constant: Int) {
        var (growing, constant) = (0, 0)
        var window: AttentionWindow?
        for block in blocks {
            let bytes: Int
            switch block.mixer {
            case .softmaxAttention(let attention):
                window = attention.window
                bytes = 2 * 2 * attention.keyHeads * attention.dimensions
            // Seen through the window of the last layer that computes weights.
            case .sharedAttention(let attention): bytes = 2 * attention.keyHeads * attention.dimensions
            }
            if let window {
                constant += bytes * min(window.length + window.sinks, contextLength)
            } else {
                growing += bytes
            }
        }
        return (growing, constant)
    }
}
