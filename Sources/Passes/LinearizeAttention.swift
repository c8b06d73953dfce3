import Models

/// Gives layers attention whose state and work for a token do not grow with the sequence.
///
/// This changes the function; what it costs is for others to measure.
public struct LinearizeAttention: Sendable {
    /// By layer.
    public let forms: [Int: LinearizedForm]

    public init(_ forms: [Int: LinearizedForm]) {
        self.forms = forms
    }

    /// The same form for all of some layers.
    public init(_ layers: some Sequence<Int>, as form: LinearizedForm) {
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
            do throws(LinearizedFormError) {
                try form.check(for: attention, layer: layer, contextLength: model.contextLength)
            } catch {
                throw .form(error)
            }
            switch form {
            case .window(let window):
                if window.distant != nil { try checkUnshared(layer, of: model) }
                if let present, present.length <= window.length {
                    throw .hasWindow(layer: layer, length: present.length)
                }
                attention.form = .softmax(scale: scale, window: window)
            case .grouped(let grouped):
                try checkUnshared(layer, of: model)
                attention.form = .grouped(grouped)
            }
            changed.blocks[layer].mixer = .attention(attention)
        }
        return (changed, PassReport(name: "linearize", summary: summary))
    }

    /// No layer uses the attention weights of this one.
    private func checkUnshared(_ layer: Int, of model: Model) throws(LinearizeAttentionError) {
        if let user = model.blocks.firstIndex(where: { $0.donor == layer }) {
            throw .isDonor(layer: layer, receiver: user)
        }
    }

    /// What becomes of which layers.
    public var summary: String {
        guard !forms.isEmpty else { return "no layer" }
        let byForm = Dictionary(grouping: forms.keys) { forms[$0]?.text ?? "" }
        return byForm.sorted { $0.key < $1.key }.map { form, layers in
            "\(layers.count == 1 ? "layer" : "layers") \(layers.sorted().ranges) with \(form)"
        }.joined(separator: "; ")
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
