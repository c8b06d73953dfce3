/// A name split into the layer that it belongs to and the rest: `layers.12.attention.output` is layer 12's
/// `attention.output`.
///
/// The layer is the first component that is a number, wherever it stands, so that the names of plans, of GGUF
/// (`blk.12.attn_q.weight`) and of Hugging Face (`model.layers.12.mlp.up_proj.weight`) all fold.
struct LayerName: Hashable {
    /// nil for a name outside all layers.
    let layer: Int?
    /// What comes before the layer, with its point.
    let prefix: String
    /// What comes behind it; the whole name outside all layers.
    let part: String

    init(_ name: String) {
        let components = name.split(separator: ".", omittingEmptySubsequences: false)
        for (position, component) in components.enumerated() {
            // At most 6 digits and no sign: such a number cannot overflow.
            guard (1...6).contains(component.utf8.count), component.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                position + 1 < components.count, let layer = Int(component)
            else { continue }
            self.layer = layer
            prefix = components[..<position].map { $0 + "." }.joined()
            part = components[(position + 1)...].joined(separator: ".")
            return
        }
        layer = nil
        prefix = ""
        part = name
    }

    /// The whole name.
    var full: String { layer.map { "\(prefix)\($0).\(part)" } ?? part }

    /// The name that all layers share.
    var folded: String { layer == nil ? part : "\(prefix)*.\(part)" }
}

/// Layers as people write them: `layer 3`, `layers 0-29`.
func layersText(_ layers: ClosedRange<Int>) -> String {
    layers.count == 1 ? "layer \(layers.lowerBound)" : "layers \(layers.lowerBound)-\(layers.upperBound)"
}
