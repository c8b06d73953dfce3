import Models

/// Lets spans of layers use the attention weights of the layer before them, their donor: these receivers lose their
/// queries and keys, and keep values, output projection, norms and feed-forward (Liao & Vargas 2024).
///
/// This changes the function; what it costs is for others to measure.
public struct ShareAttention: Sendable {
    /// Receivers that follow each other; their donor is the layer before the first one.
    public struct Span: Sendable, Equatable {
        public var receivers: ClosedRange<Int>
        /// By receiver: for each of its query heads the donor's query head whose weights it uses. A receiver that is left
        /// out uses those of the heads of the same number.
        public var headMaps: [Int: [Int]]

        public init(_ receivers: ClosedRange<Int>, headMaps: [Int: [Int]] = [:]) {
            self.receivers = receivers
            self.headMaps = headMaps
        }

        public var donor: Int { receivers.lowerBound - 1 }
    }

    public let spans: [Span]

    /// Spans in any order.
    public init(_ spans: [Span]) {
        self.spans = spans.sorted { $0.receivers.lowerBound < $1.receivers.lowerBound }
    }

    /// The model with shared attention, and what that leaves out. Throws `ShareAttentionError`.
    public func apply(to model: Model) throws(ShareAttentionError) -> (model: Model, report: PassReport) {
        try checkSpans(layers: model.blocks.count)
        var changed = model
        var dropped = 0
        for span in spans {
            let donor = try attention(of: span.donor, in: model)
            for layer in span.receivers {
                let receiver = try attention(of: layer, in: model)
                try checkLikeness(of: receiver, in: layer, to: donor, in: span.donor)
                let map = span.headMaps[layer] ?? Array(0..<donor.queryHeads)
                guard map.count == receiver.queryHeads, map.allSatisfy((0..<donor.queryHeads).contains) else {
                    throw .headMap(layer: layer, heads: donor.queryHeads)
                }
                changed.blocks[layer].mixer = .sharedAttention(
                    SharedAttention(
                        donor: span.donor, headMap: map, keyHeads: receiver.keyHeads, dimensions: receiver.dimensions,
                        value: receiver.value, output: receiver.output))
                for weight in [receiver.query.weight, receiver.key.weight] { dropped += weight.rows * weight.columns }
            }
        }
        return (changed, PassReport(name: "share-attention", summary: summary(dropped: dropped)))
    }

    private func summary(dropped: Int) -> String {
        let count = spans.reduce(0) { $0 + $1.receivers.count }
        let places = spans.map { span in
            let (first, last) = (span.receivers.lowerBound, span.receivers.upperBound)
            return first == last ? "\(first) of \(span.donor)" : "\(first)-\(last) of \(span.donor)"
        }
        return
            "\(count) \(count == 1 ? "layer uses" : "layers use") the weights of another (\(places.joined(separator: ", "))), "
            + "\(dropped) weights of queries and keys left out"
    }

    /// Spans exist, lie apart, and no donor is a receiver.
    private func checkSpans(layers: Int) throws(ShareAttentionError) {
        for span in spans {
            guard span.receivers.lowerBound != 0 else { throw .firstLayer(span.receivers) }
            guard span.receivers.lowerBound > 0, span.receivers.upperBound < layers else {
                throw .noSuchLayer(span.receivers, layers: layers)
            }
            for layer in span.headMaps.keys.sorted() where !span.receivers.contains(layer) {
                throw .strayHeadMap(layer: layer, span.receivers)
            }
        }
        for (former, latter) in zip(spans, spans.dropFirst()) {
            guard latter.receivers.lowerBound > former.receivers.upperBound else {
                throw .overlap(former.receivers, latter.receivers)
            }
            guard latter.donor > former.receivers.upperBound else {
                throw .donorIsReceiver(former.receivers, latter.receivers)
            }
        }
    }

    private func attention(of layer: Int, in model: Model) throws(ShareAttentionError) -> Attention {
        switch model.blocks[layer].mixer {
        case .attention(let attention) where attention.hasWeights: return attention
        case .attention, .sharedAttention: throw .withoutWeights(layer: layer)
        }
    }

    /// The receiver can stand in the donor's place.
    private func checkLikeness(
        of receiver: Attention, in layer: Int, to donor: Attention, in donorLayer: Int
    ) throws(ShareAttentionError) {
        let properties: [(name: String, found: Int?, expected: Int?)] = [
            ("query heads", receiver.queryHeads, donor.queryHeads), ("key heads", receiver.keyHeads, donor.keyHeads),
            ("dimensions of a head", receiver.dimensions, donor.dimensions),
            ("window", receiver.window?.length, donor.window?.length),
            ("sinks", receiver.window?.sinks, donor.window?.sinks),
        ]
        for (name, found, expected) in properties where found != expected {
            throw .differs(layer: layer, donor: donorLayer, property: name)
        }
    }
}
