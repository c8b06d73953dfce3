import Checkpoints

/// Layers that a file has linearized (formats/linearized-layers.md).
struct LinearizedLayers {
    /// By layer.
    private(set) var forms: [Int: LinearizedForm] = [:]
    /// The tensors that belong to them.
    private(set) var tensorNames: Set<String> = []

    /// Fails with `damaged` where what the file says is not what the format says.
    init(_ file: some LinearizedLayersFile) throws(CheckpointError) {
        try add(file, "windows", each: "a length and a number of sinks") { _, element, _ in
            guard let window = element.window else { return nil }
            return .window(window)
        }
        try add(file, "grouped_attention", each: "a group and an alpha") {
            layer, element, tensors throws(CheckpointError) -> LinearizedForm? in
            guard let group = element["group"]?.integer, let number = element["alpha"]?.number,
                case let alpha = Float(number), alpha.isFinite
            else { return nil }
            var attention = GroupedAttention(group: group, alpha: alpha)
            let name = LinearizedLayers.name("convolution", of: layer)
            if let taps = try file.matrix(named: name) {
                tensors.insert(name)
                attention.taps = (0..<taps.rows).map {
                    Array(taps.values[$0 * taps.columns..<($0 + 1) * taps.columns])
                }
            }
            return .grouped(attention)
        }
        try add(file, "hybrid_attention", each: "a length, a number of sinks and a block") {
            layer, element, tensors throws(CheckpointError) -> LinearizedForm? in
            guard var window = element.window, let block = element["block"]?.integer else { return nil }
            var matrices: [FiniteMatrix] = []
            for part in ["feature_map_q", "feature_map_k", "gate"] {
                let name = LinearizedLayers.name(part, of: layer)
                guard let matrix = try file.matrix(named: name) else {
                    throw file.error(at: "hybrid_attention", expected: "a tensor \(name)", found: "none")
                }
                tensors.insert(name)
                matrices.append(matrix)
            }
            // A gate has a row for each query head.
            window.distant = DistantFeatures(
                block: block, rows: matrices[0].rows / matrices[2].rows, queryMap: matrices[0].values,
                keyMap: matrices[1].values, gate: matrices[2].values)
            return .window(window)
        }
    }

    /// Adds what the elements of a key say of layers, which rise; `read` returns nil for one that says something else, and adds
    /// names of tensors. Nothing where the file does not have the key.
    private mutating func add(
        _ file: some LinearizedLayersFile, _ key: String, each: String,
        _ read: (_ layer: Int, _ element: JSON, _ tensors: inout Set<String>) throws(CheckpointError) -> LinearizedForm?
    ) throws(CheckpointError) {
        guard let value = try file.value(of: key) else { return }
        func damaged(_ found: String) -> CheckpointError {
            file.error(at: key, expected: "layers with \(each) each, in order", found: found)
        }
        guard let elements = value.array else { throw damaged("no array") }
        var last = -1
        for element in elements {
            guard let layer = element["layer"]?.integer else { throw damaged("something else") }
            guard layer > last else { throw damaged("layer \(layer) out of order") }
            guard forms[layer] == nil else { throw damaged("layer \(layer), which has another form") }
            guard let form = try read(layer, element, &tensorNames) else { throw damaged("something else") }
            forms[layer] = form
            last = layer
        }
    }

    private static func name(_ part: String, of layer: Int) -> String {
        "model.layers.\(layer).self_attn.\(part).weight"
    }
}

/// A file that can say of layers that they are linearized.
protocol LinearizedLayersFile {
    /// What a key says; nil where the file does not have it.
    func value(of key: String) throws(CheckpointError) -> JSON?
    /// A tensor; nil where there is none. Fails where it is no matrix of finite values.
    func matrix(named name: String) throws(CheckpointError) -> FiniteMatrix?
    /// For errors.
    var path: String { get }
}

extension LinearizedLayersFile {
    /// A `damaged` at a key.
    func error(at key: String, expected: String, found: String) -> CheckpointError {
        CheckpointError(.damaged, file: path, at: .key(key), expected: expected, found: found)
    }
}

extension AdapterFile: LinearizedLayersFile {
    func value(of key: String) throws(CheckpointError) -> JSON? {
        guard let text = metadata[key] else { return nil }
        return try JSON(parsing: text.utf8, file: path)
    }
}

extension Checkpoint: LinearizedLayersFile {
    func value(of key: String) -> JSON? {
        guard case .huggingFace(let files) = metadata, let value = files.config[key], !value.isNull else { return nil }
        return value
    }
}

extension JSON {
    fileprivate var window: AttentionWindow? {
        guard let length = self["length"]?.integer, let sinks = self["sinks"]?.integer else { return nil }
        return AttentionWindow(length: length, sinks: sinks)
    }
}
