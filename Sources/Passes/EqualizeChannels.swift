import Models

/// Scales channels between two matrices: what a matrix reads is divided by a factor, and its column multiplied by it. The
/// function stays the same, up to the rounding of float32, but columns that share a quantization scale can be made alike.
///
/// What divides is free: the rows of the matrix before, whose scales take it, or the weight of the norm before. This is
/// the scaling of Lin et al. 2023 (AWQ), section 3.2; which factors serve is for others to find.
public struct EqualizeChannels: Sendable {
    /// The factors of one layer's matrices; nil for those that are left alone.
    public struct Factors: Sendable {
        /// For queries, keys and values: one for each value of the residual stream.
        public var projection: [Float]?
        /// For the attention's output: one for each value of a key head, which all its query heads share.
        public var attentionOutput: [Float]?
        /// For gate and up: one for each value of the residual stream.
        public var gateUp: [Float]?
        /// For the feed-forward's output: one for each of its inputs.
        public var down: [Float]?

        public init(
            projection: [Float]? = nil, attentionOutput: [Float]? = nil, gateUp: [Float]? = nil, down: [Float]? = nil
        ) {
            self.projection = projection
            self.attentionOutput = attentionOutput
            self.gateUp = gateUp
            self.down = down
        }

        var count: Int { [projection, attentionOutput, gateUp, down].count { $0 != nil } }
    }

    /// Layer after layer.
    public let layers: [Factors]

    /// All factors are positive and finite, and as many as there are channels.
    public init(layers: [Factors]) {
        self.layers = layers
    }

    /// The model with its channels scaled, and how many matrices that concerns.
    public func apply(to model: Model) -> (model: Model, report: PassReport) {
        var model = model
        for (index, factors) in layers.enumerated() where index < model.blocks.count {
            apply(factors, to: &model.blocks[index])
        }
        let count = layers.reduce(0) { $0 + $1.count }
        return (model, PassReport(name: "equalize", summary: "columns of \(count) matrices made alike"))
    }

    private func apply(_ factors: Factors, to block: inout Block) {
        switch block.mixer {
        case .attention(var attention):
            if let projection = factors.projection {
                attention.query.scaleColumns(by: projection)
                attention.key.scaleColumns(by: projection)
            }
            let channels = attention.valueChannels
            apply(factors, norm: &block.mixerNorm, value: &attention.value, output: &attention.output, channels)
            block.mixer = .attention(attention)
        case .sharedAttention(var attention):
            let channels = attention.valueChannels
            apply(factors, norm: &block.mixerNorm, value: &attention.value, output: &attention.output, channels)
            block.mixer = .sharedAttention(attention)
        }
        switch block.feedForward {
        case .gated(var gate, var up, var down):
            if let factors = factors.gateUp {
                divide(&block.feedForwardNorm, by: factors)
                gate.scaleColumns(by: factors)
                up.scaleColumns(by: factors)
            }
            if let factors = factors.down {
                up.scaleRows(by: factors.map { 1 / $0 })
                down.scaleColumns(by: factors)
            }
            block.feedForward = .gated(gate: gate, up: up, down: down)
        }
    }

    /// What all mixers with values have; `channels` says which of them each input of the output projection is.
    private func apply(
        _ factors: Factors, norm: inout Norm, value: inout Linear, output: inout Linear, _ channels: [Int]
    ) {
        if let projection = factors.projection {
            divide(&norm, by: projection)
            value.scaleColumns(by: projection)
        }
        if let factors = factors.attentionOutput {
            value.scaleRows(by: factors.map { 1 / $0 })
            output.scaleColumns(by: channels.map { factors[$0] })
        }
    }

    private func divide(_ norm: inout Norm, by factors: [Float]) {
        norm.factors = zip(norm.factors ?? Array(repeating: 1, count: factors.count), factors).map { $0 / $1 }
    }
}

extension Attention {
    /// For each input of the output projection, the row of the value projection that it comes from.
    public var valueChannels: [Int] {
        channels(ofValues: keyHeads, in: queryHeads, dimensions: dimensions)
    }
}

extension SharedAttention {
    /// For each input of the output projection, the row of the value projection that it comes from.
    public var valueChannels: [Int] {
        channels(ofValues: keyHeads, in: queryHeads, dimensions: dimensions)
    }
}

/// Query heads follow each other, as many for each head of values.
private func channels(ofValues keyHeads: Int, in queryHeads: Int, dimensions: Int) -> [Int] {
    (0..<queryHeads * dimensions).map { column in
        let (head, inside) = column.quotientAndRemainder(dividingBy: dimensions)
        return head * keyHeads / queryHeads * dimensions + inside
    }
}
