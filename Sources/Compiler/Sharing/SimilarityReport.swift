import Checkpoints
import Models

/// How alike the attention weights of a checkpoint's layers are, to read, to draw and to work with.
public struct SimilarityReport: Sendable {
    private let similarity: AttentionSimilarity
    private let name: String

    /// Runs the model over a file of plain text, or the built-in text. Throws where the checkpoint or the text is no good.
    public init(
        source: String, calibration: String?, progress: Compilation.Progress = { _, _ in }
    ) throws(CompileError) {
        let origin = try SourceModel(source)
        guard !origin.model.blocks.isEmpty else { throw .calibration(.noRows) }
        try origin.model.checkFinite()
        let tokens = try CalibrationTokens(path: calibration, tokenizer: origin.tokenizer, model: origin.model)
        similarity = try AttentionSimilarity(origin.model, tokens: tokens, progress: progress)
        name = origin.model.architecture
    }

    /// Every pair of layers, the later one first, with the mean cosines of their heads.
    public var json: JSON {
        var pairs: [JSON] = []
        for layer in 0..<similarity.layers {
            for earlier in 0..<layer {
                guard let pair = similarity[layer, earlier] else { continue }
                var members: [(key: String, value: JSON)] = [
                    ("layer", .count(layer)), ("earlier", .count(earlier)),
                    ("with_sink", .array(pair.withSink.map(JSON.number))),
                    ("without_sink", .array(pair.withoutSink.map(JSON.number))),
                ]
                if !pair.heads.isEmpty {
                    members.append(("best_heads", .array(pair.bestHeads.map(JSON.count))))
                    members.append(("best_without_sink", .array(pair.bestCosines.map(JSON.number))))
                }
                pairs.append(.members(members))
            }
        }
        return .members([
            ("kind", .string("attention similarity")), ("architecture", .string(name)),
            ("layers", .count(similarity.layers)), ("tokens", .count(similarity.tokens)), ("pairs", .array(pairs)),
        ])
    }

    /// Each layer beside the one before it.
    public var text: [String] {
        var table = TextTable(
            header: ["layer", "same heads", "without sink", "best heads", "which"], rightAligned: [0, 1, 2, 3])
        for layer in 1..<max(1, similarity.layers) {
            guard let pair = similarity[layer, layer - 1] else { continue }
            table.add(
                "\(layer)", pair.withSink.mean.rounded(toDecimals: 3),
                pair.withoutSink.mean.rounded(toDecimals: 3), pair.bestCosines.mean.rounded(toDecimals: 3),
                pair.bestHeads.map(String.init).joined(separator: " "))
        }
        return [
            "\(name), \(similarity.layers) layers: mean cosine of attention rows over \(similarity.tokens) tokens, "
                + "each layer with the one before it", "",
        ] + table.lines()
    }

    /// All pairs of layers as a heat map: below the diagonal without the first position, above it with it.
    public var svg: String {
        let names = (0..<similarity.layers).map { "layer \($0)" }
        let values: [[Double?]] = (0..<similarity.layers).map { row in
            (0..<similarity.layers).map { column in
                row > column
                    ? similarity[row, column]?.withoutSink.mean : similarity[column, row]?.withSink.mean
            }
        }
        return SVGHeatMap(
            title: "Cosine of attention weights, heads of the same number", rowTitle: "without the first position",
            columnTitle: "with the first position", rowNames: names, columnNames: names, values: values
        ).figure().document
    }
}

extension AttentionSimilarity.Pair {
    /// The cosines of the best heads.
    var bestCosines: [Double] { heads.map { $0.max() ?? 0 } }
}

extension [Double] {
    /// Their mean; 0 where there are none.
    var mean: Double { isEmpty ? 0 : reduce(0, +) / Double(count) }
}
