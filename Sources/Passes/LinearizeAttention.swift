import Models

/// Gives layers attention whose state and work for a token do not grow with the sequence.
///
/// This changes the function; what it costs is for others to measure.
public struct LinearizeAttention: Sendable {
    /// What a layer's attention becomes.
    public enum Form: Sendable, Hashable {
        /// Softmax over the last positions and the first ones (Xiao et al. 2023): what every other form must beat; with features
        /// linear attention to the positions between (Zhang et al. 2024).
        case window(AttentionWindow)
        /// Grouped linear attention with a convolution (You et al. 2024): a model has to be trained or fitted for it.
        case grouped(GroupedAttention)
    }

    /// By layer.
    public let forms: [Int: Form]

    public init(_ forms: [Int: Form]) {
        self.forms = forms
    }

    /// The same form for all of some layers.
    public init(_ layers: some Sequence<Int>, as form: Form) {
        forms = Dictionary(layers.map { ($0, form) }) { first, _ in first }
    }

    /// The model with these layers changed; those that use the attention weights of one of them change with it. Throws
    /// `LinearizeAttentionError`.
    public func apply(to model: Model) throws(LinearizeAttentionError) -> (model: Model, report: PassReport) {
        var changed = model
        for (layer, form) in forms.sorted(by: { $0.key < $1.key }) {
            guard model.blocks.indices.contains(layer) else {
                throw .noSuchLayer(layer, layers: model.blocks.count)
            }
            guard case .attention(var attention) = model.blocks[layer].mixer,
                case .softmax(let scale, let present) = attention.form
            else { throw .withoutWeights(layer: layer) }
            switch form {
            case .window(let window):
                try check(window, contextLength: model.contextLength)
                if let distant = window.distant {
                    try check(distant, of: window, attention, layer: layer)
                    try checkUnshared(layer, of: model)
                }
                if let present, present.length <= window.length {
                    throw .hasWindow(layer: layer, length: present.length)
                }
                attention.form = .softmax(scale: scale, window: window)
            case .grouped(let grouped):
                let taps = grouped.taps.first?.count ?? 0
                guard grouped.group >= 1, grouped.group <= LinearizeAttention.mostPositions,
                    taps <= LinearizeAttention.mostPositions - grouped.group, grouped.alpha.isFinite
                else { throw .group(grouped.group, taps: taps) }
                guard grouped.taps.isEmpty || grouped.taps.count == attention.queryHeads,
                    grouped.taps.allSatisfy({ $0.count == taps })
                else { throw .taps(layer: layer, heads: attention.queryHeads) }
                try checkUnshared(layer, of: model)
                attention.form = .grouped(grouped)
            }
            changed.blocks[layer].mixer = .attention(attention)
        }
        return (changed, PassReport(name: "linearize", summary: summary))
    }

    private func check(_ window: AttentionWindow, contextLength: Int) throws(LinearizeAttentionError) {
        guard window.length >= 1, window.sinks >= 0, window.sinks <= LinearizeAttention.mostSinks else {
            throw .window(length: window.length, sinks: window.sinks)
        }
        guard window.length < contextLength, window.length + window.sinks < contextLength else {
            throw .reachesEverything(length: window.length, sinks: window.sinks, contextLength: contextLength)
        }
    }

    private func check(
        _ distant: DistantFeatures, of window: AttentionWindow, _ attention: Attention, layer: Int
    ) throws(LinearizeAttentionError) {
        guard distant.block >= 1, distant.block <= LinearizeAttention.mostPositions,
            window.length % distant.block == 0
        else { throw .block(distant.block, length: window.length) }
        let (rows, dimensions, heads) = (distant.rows, attention.dimensions, attention.queryHeads)
        guard rows >= 16, rows % 16 == 0, rows <= LinearizeAttention.mostMapRows,
            distant.queryMap.count == heads * rows * dimensions,
            [attention.keyHeads, heads].contains(where: { $0 * rows * dimensions == distant.keyMap.count }),
            distant.gate.count == heads * (dimensions + 2)
        else { throw .features(layer: layer) }
        guard [distant.queryMap, distant.keyMap, distant.gate].allSatisfy({ $0.allSatisfy(\.isFinite) }) else {
            throw .features(layer: layer)
        }
    }

    /// No layer uses the attention weights of this one.
    private func checkUnshared(_ layer: Int, of model: Model) throws(LinearizeAttentionError) {
        if let user = model.blocks.firstIndex(where: { $0.donor == layer }) {
            throw .isDonor(layer: layer, receiver: user)
        }
    }

    /// Rows of a head's feature map at the most (formats/plan.md, "attend hybrid").
    public static let mostMapRows = 256

    /// First positions that a window keeps at the most (formats/plan.md, "attend").
    public static let mostSinks = 256

    /// Positions of a block, and those of a group and taps of a head together, at the most (formats/plan.md, "attend grouped").
    public static let mostPositions = 240

    /// What becomes of which layers.
    public var summary: String {
        guard !forms.isEmpty else { return "no layer" }
        let byForm = Dictionary(grouping: forms.keys) { forms[$0]?.text ?? "" }
        return byForm.sorted { $0.key < $1.key }.map { form, layers in
            "\(layers.count == 1 ? "layer" : "layers") \(layers.sorted().ranges) with \(form)"
        }.joined(separator: "; ")
    }
}

extension LinearizeAttention.Form {
    /// The form in a few words.
    public var text: String {
        switch self {
        case .window(let window):
            "a window of \(window.length)" + (window.sinks > 0 ? " and \(window.sinks) sinks" : "")
                + (window.distant.map { " before \(2 * $0.rows) features" } ?? "")
        case .grouped(let grouped):
            "groups of \(grouped.group)" + (grouped.taps.first.map { " and \($0.count) taps" } ?? "")
        }
    }
}

extension Block {
    /// The layer whose attention weights this one uses.
    fileprivate var donor: Int? {
        if case .sharedAttention(let attention) = mixer { attention.donor } else { nil }
    }
}

extension [Int] {
    /// Rising numbers as ranges with commas between.
    fileprivate var ranges: String {
        var parts: [ClosedRange<Int>] = []
        for number in self {
            if let last = parts.last, last.upperBound == number - 1 {
                parts[parts.count - 1] = last.lowerBound...number
            } else {
                parts.append(number...number)
            }
        }
        return parts.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            .joined(separator: ",")
    }
}
