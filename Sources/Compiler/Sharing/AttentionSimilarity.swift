import Models

/// How alike the attention weights of layers are: the mean cosine of the rows of two layers' heads, over positions of
/// calibration text (Liao & Vargas 2024, section 3; they leave open how heads and rows are brought together).
///
/// Rows from position 32 on count. Most heads look at the first position, the sink, whatever the text; so cosines are taken
/// with it, and again without: the rest tells what a layer attends to.
struct AttentionSimilarity {
    /// Rows of a chunk from this one on are compared, every `rowStride`-th of them.
    private static let firstRow = 32
    private static let rowStride = 8
    /// Chunks that are looked at, at the most.
    private static let mostChunks = 6
    /// Layers that are further apart are compared head by head of the same number alone.
    static let reach = 8

    /// Mean cosines of two layers.
    struct Pair {
        /// Heads of the same number, by head.
        fileprivate(set) var withSink: [Double]
        fileprivate(set) var withoutSink: [Double]
        /// Without the sink: every head of the later layer with every one of the earlier layer, one row for each head of
        /// the later one; empty where the layers are further apart than `reach`.
        fileprivate(set) var heads: [[Double]]

        /// For each head of the later layer the most similar one of the earlier layer.
        var bestHeads: [Int] {
            heads.map { row in row.indices.max { (row[$0], -$0) < (row[$1], -$1) } ?? 0 }
        }
    }

    let layers: Int
    let tokens: Int
    private var pairs: [Pair?]

    /// What is known of a layer and an earlier one; nil where one of them has no weights of its own, or their heads are not
    /// as many.
    subscript(layer: Int, earlier: Int) -> Pair? { pairs[layer * layers + earlier] }

    /// Runs the model over the first chunks of calibration text.
    init(
        _ model: Model, tokens: CalibrationTokens, progress: Compilation.Progress = { _, _ in }
    ) throws(CompileError) {
        layers = model.blocks.count
        pairs = Array(repeating: nil, count: layers * layers)
        let chunks = min(tokens.chunkCount, AttentionSimilarity.mostChunks)
        let rows = Array(
            stride(
                from: min(AttentionSimilarity.firstRow, tokens.chunkLength - 1), to: tokens.chunkLength,
                by: AttentionSimilarity.rowStride))
        self.tokens = chunks * tokens.chunkLength
        var states = HiddenStates(tokens: tokens.tokens[..<self.tokens], embedding: model.embedding)
        var weights: [[AttentionRows?]] = Array(repeating: [], count: chunks)
        for span in model.evaluationSpans {
            let capture: AttentionCapture? =
                if case .attention(let attention) = model.blocks[span.lowerBound].mixer, attention.hasWeights {
                    try AttentionCapture(span.lowerBound, of: model, chunkLength: tokens.chunkLength)
                } else { nil }
            let evaluation = try SpanEvaluation(span, of: model, chunkLength: tokens.chunkLength)
            let next = HiddenStates(like: states)
            for chunk in 0..<chunks {
                let range = tokens.rows(of: chunk)
                weights[chunk].append(try capture?.weights(of: rows, in: states, chunk: range))
                weights[chunk] += Array(repeating: nil, count: span.count - 1)
                try evaluation.run(states, rows: range, into: next)
            }
            states = next
            progress("comparing layers", Double(span.upperBound) / Double(2 * layers))
        }
        for layer in 0..<layers {
            for earlier in 0..<layer { compare(layer, earlier, weights) }
            progress("comparing layers", 0.5 + Double(layer + 1) / Double(2 * layers))
        }
    }

    private mutating func compare(_ layer: Int, _ earlier: Int, _ weights: [[AttentionRows?]]) {
        var sum: Pair?
        var count = 0
        for chunk in weights {
            guard let late = chunk[layer], let early = chunk[earlier], late.heads == early.heads else { return }
            let isNear = layer - earlier <= AttentionSimilarity.reach
            let found = AttentionSimilarity.sums(late, early, allHeads: isNear)
            sum = sum.map { $0.adding(found) } ?? found
            count += late.rows.count
        }
        pairs[layer * layers + earlier] = sum?.divided(by: Double(max(1, count)))
    }

    /// Sums of cosines over the rows of one chunk.
    private static func sums(_ late: AttentionRows, _ early: AttentionRows, allHeads: Bool) -> Pair {
        let heads = late.heads
        var pair = Pair(
            withSink: Array(repeating: 0, count: heads), withoutSink: Array(repeating: 0, count: heads),
            heads: allHeads ? Array(repeating: Array(repeating: 0, count: heads), count: heads) : [])
        for index in late.rows.indices {
            let earlyEnergies = (0..<heads).map { head in
                early.withRow(head: head, index: index) { Product(of: $0, and: $0) }
            }
            for head in 0..<heads {
                late.withRow(head: head, index: index) { values in
                    let energy = Product(of: values, and: values)
                    for other in allHeads ? 0..<heads : head..<head + 1 {
                        let product = early.withRow(head: other, index: index) { Product(of: values, and: $0) }
                        let cosine = ratio(product.rest, energy.rest, earlyEnergies[other].rest)
                        if allHeads { pair.heads[head][other] += cosine }
                        if other == head {
                            pair.withSink[head] += ratio(product.whole, energy.whole, earlyEnergies[other].whole)
                            pair.withoutSink[head] += cosine
                        }
                    }
                }
            }
        }
        return pair
    }

    private static func ratio(_ product: Double, _ energy: Double, _ other: Double) -> Double {
        energy > 0 && other > 0 ? product / (energy * other).squareRoot() : 0
    }
}

/// The product of two rows of attention weights.
private struct Product {
    let sink: Double
    /// Of all positions but the first.
    let rest: Double

    var whole: Double { sink + rest }

    /// In float32 lanes, then double.
    init(of left: UnsafeBufferPointer<Float>, and right: UnsafeBufferPointer<Float>) {
        sink = Double(left[0]) * Double(right[0])
        var lanes = SIMD16<Float>()
        var start = 1
        while start + 16 <= left.count {
            var (one, other) = (SIMD16<Float>(), SIMD16<Float>())
            for lane in 0..<16 { (one[lane], other[lane]) = (left[start + lane], right[start + lane]) }
            lanes += one * other
            start += 16
        }
        var sum = 0.0
        for lane in 0..<16 { sum += Double(lanes[lane]) }
        for index in start..<left.count { sum += Double(left[index]) * Double(right[index]) }
        rest = sum
    }
}

extension AttentionSimilarity.Pair {
    fileprivate func adding(_ other: AttentionSimilarity.Pair) -> AttentionSimilarity.Pair {
        AttentionSimilarity.Pair(
            withSink: zip(withSink, other.withSink).map(+), withoutSink: zip(withoutSink, other.withoutSink).map(+),
            heads: zip(heads, other.heads).map { zip($0, $1).map(+) })
    }

    fileprivate func divided(by count: Double) -> AttentionSimilarity.Pair {
        AttentionSimilarity.Pair(
            withSink: withSink.map { $0 / count }, withoutSink: withoutSink.map { $0 / count },
            heads: heads.map { $0.map { $0 / count } })
    }
}
