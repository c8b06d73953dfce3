import Checkpoints
import Models

/// What sharing attention weights did, receiver by receiver, what it saved and what it cost.
public struct SharingReport: Sendable {
    /// One layer that uses the weights of another.
    struct Receiver: Sendable {
        let layer: Int
        let donor: Int
        /// For each head the donor's.
        let headMap: [Int]
        /// The mean cosine of each head's weights and those that it uses now, without the first position.
        let similarity: Double?
        /// The divergence of the predictions with this layer as the only receiver, before repair, in nats.
        let divergenceAlone: Double?
        /// The same with all receivers that were chosen up to this one.
        let divergenceSoFar: Double?
        let output: Fit?
        let down: Fit?
    }

    /// What regression did to a matrix: shares of the energy that it should add to the residual stream and does not, on
    /// calibration text that was not fitted.
    struct Fit: Sendable {
        let before: Double
        let after: Double
    }

    /// What a model with so many receivers needs less than the original one.
    struct Savings: Sendable {
        /// Of queries and keys.
        let weights: Int
        /// Bytes a position of keys in float16.
        let stateBytes: Int
        let originalStateBytes: Int
        /// Multiply-adds a token for scores at each position before it; those for queries and keys are as many as weights.
        let scoreWork: Int
    }

    let receivers: [Receiver]
    let savings: Savings
    /// Nil where nothing was measured.
    public let measurement: HeldOutMeasurement?

    init(
        original: Model, shared: Model, similarity: AttentionSimilarity? = nil, search: LayerSearch? = nil,
        outcomes: [SharingRepair.Outcome] = [], measurement: HeldOutMeasurement? = nil
    ) {
        var receivers: [Receiver] = []
        var (weights, keys, scores, state) = (0, 0, 0, 0)
        for (layer, block) in shared.blocks.enumerated() {
            if case .attention(let before) = original.blocks[layer].mixer {
                state += 2 * 2 * before.keyHeads * before.dimensions
                if case .sharedAttention = block.mixer {
                    weights += [before.query.weight, before.key.weight].reduce(0) { $0 + $1.rows * $1.columns }
                    keys += 2 * before.keyHeads * before.dimensions
                    scores += before.queryHeads * before.dimensions
                }
            }
            guard case .sharedAttention(let attention) = block.mixer else { continue }
            let pair = similarity?[layer, attention.donor]
            let outcome = outcomes.first { $0.layer == layer }
            let cosines: [Double]? = pair.flatMap { pair in
                pair.heads.isEmpty ? nil : attention.headMap.enumerated().map { pair.heads[$0][$1] }
            }
            receivers.append(
                Receiver(
                    layer: layer, donor: attention.donor, headMap: attention.headMap, similarity: cosines?.mean,
                    divergenceAlone: search?.alone[layer],
                    divergenceSoFar: search?.steps.first { $0.layer == layer }?.divergence,
                    output: outcome.map { Fit(before: $0.output.priorError, after: $0.output.error) },
                    down: outcome.map { Fit(before: $0.down.priorError, after: $0.down.error) }))
        }
        self.receivers = receivers
        savings = Savings(
            weights: weights, stateBytes: keys, originalStateBytes: state, scoreWork: scores)
        self.measurement = measurement
    }

    /// Everything, as JSON.
    public var json: JSON {
        .members([
            ("receivers", .array(receivers.map(\.json))), ("weights_saved", .count(savings.weights)),
            ("state_bytes_saved", .count(savings.stateBytes)),
            ("state_bytes_before", .count(savings.originalStateBytes)),
            ("multiply_adds_saved_per_token", .count(savings.weights)),
            ("multiply_adds_saved_per_token_and_position", .count(savings.scoreWork)),
            ("held_out", measurement.map(\.json) ?? .null),
        ])
    }
}

extension SharingReport.Receiver {
    fileprivate var json: JSON {
        func number(_ value: Double?) -> JSON { value.map(JSON.number) ?? .null }
        return .members([
            ("layer", .count(layer)), ("donor", .count(donor)), ("head_map", .array(headMap.map(JSON.count))),
            ("similarity", number(similarity)), ("kl_alone", number(divergenceAlone)),
            ("kl_so_far", number(divergenceSoFar)), ("output_error_before", number(output?.before)),
            ("output_error", number(output?.after)), ("down_error_before", number(down?.before)),
            ("down_error", number(down?.after)),
        ])
    }
}

extension SharingReport {
    /// Adds what there is to say to a page.
    func add(to page: inout HTMLPage) {
        page.section("Shared attention")
        var facts = [
            ("layers that use the attention weights of another", "\(receivers.count)"),
            ("weights of queries and keys left out", savings.weights.grouped),
            (
                "state in float16",
                "\((savings.originalStateBytes - savings.stateBytes).grouped) bytes a position instead of "
                    + savings.originalStateBytes.grouped
            ),
            (
                "multiply-adds saved a token",
                "\(savings.weights.grouped), and \(savings.scoreWork.grouped) for each position before it"
            ),
        ]
        if let measurement { facts += measurement.facts }
        page.facts(facts.map { (name: $0.0, value: $0.1) })
        var table = TextTable(
            header: [
                "layer", "uses", "heads", "cosine", "KL alone", "KL so far", "output error", "fitted", "down error",
                "fitted",
            ], rightAligned: [0, 1, 3, 4, 5, 6, 7, 8, 9])
        func cell(_ value: Double?) -> String { value.map { $0.significant(3) } ?? "" }
        for receiver in receivers {
            table.add(
                "\(receiver.layer)", "\(receiver.donor)", receiver.headMap.map(String.init).joined(separator: " "),
                cell(receiver.similarity), cell(receiver.divergenceAlone), cell(receiver.divergenceSoFar),
                cell(receiver.output?.before), cell(receiver.output?.after), cell(receiver.down?.before),
                cell(receiver.down?.after))
        }
        page.table(
            table,
            caption:
                "KL: mean divergence of the predictions from the unmodified model in nats, before repair, with this "
                + "layer alone and with all that were chosen up to it. Errors: shares of the energy that the matrix should "
                + "add to the residual stream and does not, on calibration text that was not fitted.")
    }
}
