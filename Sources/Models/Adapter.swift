import Checkpoints

/// What an adapter's file changes: matrices of layers, which layers use the attention weights of others, and which are
/// linearized (formats/adapter.md). It is read as a whole when it is made.
public struct Adapter: Sendable {
    /// A layer that uses the attention weights of an earlier one.
    public struct Receiver: Sendable, Equatable {
        public let layer: Int
        public let donor: Int
        /// For each query head the donor's.
        public let headMap: [Int]
    }

    /// A layer that does not see everything, or sees what is far with features.
    public struct Windowed: Sendable, Equatable {
        public let layer: Int
        public let window: AttentionWindow
    }

    /// A layer of grouped linear attention.
    public struct Grouped: Sendable, Equatable {
        public let layer: Int
        public let attention: GroupedAttention
    }

    /// What becomes of a matrix.
    enum Change: Sendable {
        case added(LowRankMatrix)
        case replaced(rows: Int, columns: Int, values: [Float])
    }

    /// A changed matrix.
    struct Entry: Sendable {
        /// Its name in the adapter, for errors.
        let tensor: TensorListing
        let layer: Int
        let part: TensorNames.Part
        let change: Change
    }

    /// In the order of their layers.
    public let receivers: [Receiver]
    /// In the order of their layers.
    public let windows: [Windowed]
    /// In the order of their layers.
    public let grouped: [Grouped]
    let entries: [Entry]
    private let file: AdapterFile

    private static let sharing = "shared_attention"
    private static let parts: [TensorNames.Part] = [.query, .key, .value, .attentionOutput, .gate, .up, .down]

    /// Fails with `missing`, `damaged`, `unsupported` or `changed`, as formats/adapter.md says.
    public init(_ path: String) throws(CheckpointError) { try self.init(AdapterFile(path)) }

    /// Reads a file that is open already.
    public init(_ file: AdapterFile) throws(CheckpointError) {
        self.file = file
        receivers = try Adapter.receivers(file)
        windows = (try Adapter.windows(file) + Adapter.hybrids(file)).sorted { $0.layer < $1.layer }
        grouped = try Adapter.grouped(file)
        let others =
            grouped.map { Adapter.convolution($0.layer) }
            + windows.flatMap { window in
                window.window.distant == nil ? [] : Adapter.distantParts.map { Adapter.name($0, of: window.layer) }
            }
        entries = try Adapter.entries(file, besides: Set(others))
        guard !receivers.isEmpty || !windows.isEmpty || !grouped.isEmpty || !entries.isEmpty else {
            throw CheckpointError(.damaged, file: file.path, expected: "changes of matrices", found: "none")
        }
        try file.checkUnchanged()
    }

    /// What is changed, in a few words.
    public var summary: String {
        let added = entries.count {
            if case .added = $0.change { true } else { false }
        }
        return "\(added) matrices changed by one of low rank, \(entries.count - added) replaced"
    }

    func error(_ entry: Entry, expected: String, found: String) -> CheckpointError {
        file.error(.damaged, entry.tensor, expected: expected, found: found)
    }

    private static func receivers(_ file: AdapterFile) throws(CheckpointError) -> [Receiver] {
        guard let text = file.metadata[sharing] else { return [] }
        func damaged(_ found: String) -> CheckpointError {
            CheckpointError(
                .damaged, file: file.path, at: .key(sharing),
                expected: "layers with a donor and a head map each, in order",
                found: found)
        }
        guard let elements = try JSON(parsing: text.utf8, file: file.path).array else { throw damaged("no array") }
        var receivers: [Receiver] = []
        for element in elements {
            guard let layer = element["layer"]?.integer, let donor = element["donor"]?.integer,
                let heads = element["head_map"]?.array?.map(\.integer), !heads.contains(nil)
            else { throw damaged("something else") }
            let before = receivers.last
            guard 0 <= donor, donor < layer, layer > before?.layer ?? 0,
                donor == layer - 1 || (before?.layer == layer - 1 && before?.donor == donor)
            else { throw damaged("layer \(layer) with donor \(donor)") }
            receivers.append(Receiver(layer: layer, donor: donor, headMap: heads.compactMap { $0 }))
        }
        return receivers
    }

    private static func windows(_ file: AdapterFile) throws(CheckpointError) -> [Windowed] {
        try layers(file, "windows", each: "a length and a number of sinks") { layer, element in
            guard let length = element["length"]?.integer, let sinks = element["sinks"]?.integer else { return nil }
            return Windowed(layer: layer, window: AttentionWindow(length: length, sinks: sinks))
        }
    }

    private static func grouped(_ file: AdapterFile) throws(CheckpointError) -> [Grouped] {
        let byName = file.byName
        return try layers(file, "grouped_attention", each: "a group and an alpha") {
            layer, element throws(CheckpointError) -> Grouped? in
            guard let group = element["group"]?.integer, let number = element["alpha"]?.number,
                case let alpha = Float(number), alpha.isFinite
            else { return nil }
            var attention = GroupedAttention(group: group, alpha: alpha)
            if let taps = byName[convolution(layer)] {
                let matrix = try file.matrix(taps)
                attention.taps = (0..<matrix.rows).map {
                    Array(matrix.values[$0 * matrix.columns..<($0 + 1) * matrix.columns])
                }
            }
            return Grouped(layer: layer, attention: attention)
        }
    }

    /// Windows with features behind them.
    private static func hybrids(_ file: AdapterFile) throws(CheckpointError) -> [Windowed] {
        let byName = file.byName
        return try layers(file, "hybrid_attention", each: "a length, a number of sinks and a block") {
            layer, element throws(CheckpointError) -> Windowed? in
            guard let length = element["length"]?.integer, let sinks = element["sinks"]?.integer,
                let block = element["block"]?.integer
            else { return nil }
            var matrices: [(rows: Int, columns: Int, values: [Float])] = []
            for part in distantParts {
                guard let tensor = byName[name(part, of: layer)] else {
                    throw CheckpointError(
                        .damaged, file: file.path, at: .key("hybrid_attention"),
                        expected: "a tensor \(name(part, of: layer))", found: "none")
                }
                matrices.append(try file.matrix(tensor))
            }
            // A gate has a row for each query head.
            let features = DistantFeatures(
                block: block, rows: matrices[0].rows / matrices[2].rows, queryMap: matrices[0].values,
                keyMap: matrices[1].values, gate: matrices[2].values)
            return Windowed(layer: layer, window: AttentionWindow(length: length, sinks: sinks, distant: features))
        }
    }

    /// What a layer with features behind its window has of its own.
    private static let distantParts = ["feature_map_q", "feature_map_k", "gate"]

    private static func name(_ part: String, of layer: Int) -> String {
        "model.layers.\(layer).self_attn.\(part).weight"
    }

    /// What the elements of a key say of layers, which rise; `read` returns nil for one that says something else. Nothing where
    /// the file does not have the key.
    private static func layers<Value>(
        _ file: AdapterFile, _ key: String, each: String,
        _ read: (_ layer: Int, _ element: JSON) throws(CheckpointError) -> Value?
    ) throws(CheckpointError) -> [Value] {
        guard let text = file.metadata[key] else { return [] }
        func damaged(_ found: String) -> CheckpointError {
            CheckpointError(
                .damaged, file: file.path, at: .key(key), expected: "layers with \(each) each, in order", found: found)
        }
        guard let elements = try JSON(parsing: text.utf8, file: file.path).array else { throw damaged("no array") }
        var (values, last): ([Value], Int) = ([], -1)
        for element in elements {
            guard let layer = element["layer"]?.integer else { throw damaged("something else") }
            guard layer > last else { throw damaged("layer \(layer) out of order") }
            guard let value = try read(layer, element) else { throw damaged("something else") }
            values.append(value)
            last = layer
        }
        return values
    }

    /// The name of a layer's taps: query heads x taps.
    private static func convolution(_ layer: Int) -> String { name("convolution", of: layer) }

    private static func entries(
        _ file: AdapterFile, besides others: Set<String>
    ) throws(CheckpointError) -> [Entry] {
        let names = TensorNames(isGGUF: false)
        let byName = file.byName
        var entries: [Entry] = []
        for tensor in file.listing where !others.contains(tensor.name) {
            guard let (layer, part) = place(tensor.name, names) else {
                throw file.error(
                    .unsupported, tensor, expected: "a matrix of a layer's attention or feed-forward, or its factors",
                    found: "another name")
            }
            let stem = names.weight(part, layer).dropLast("weight".utf8.count)
            switch tensor.name.dropFirst(stem.count) {
            case "weight":
                let matrix = try file.matrix(tensor)
                entries.append(
                    Entry(
                        tensor: tensor, layer: layer, part: part,
                        change: .replaced(rows: matrix.rows, columns: matrix.columns, values: matrix.values)))
            case "lora_A.weight":
                guard let other = byName[stem + "lora_B.weight"], byName[stem + "weight"] == nil else {
                    throw file.error(
                        .damaged, tensor, expected: "lora_B.weight and no weight beside it", found: "another set")
                }
                let (a, b) = (try file.matrix(tensor), try file.matrix(other))
                guard let matrix = LowRankMatrix(a: a, b: b) else {
                    throw file.error(
                        .damaged, tensor, expected: "as many rows as lora_B.weight has columns",
                        found: "shapes \(tensor.shape) and \(other.shape)")
                }
                entries.append(Entry(tensor: tensor, layer: layer, part: part, change: .added(matrix)))
            default:
                guard byName[stem + "lora_A.weight"] != nil else {
                    throw file.error(.damaged, tensor, expected: "lora_A.weight beside it", found: "none")
                }
            }
        }
        return entries
    }

    /// The matrix that a tensor's name means, or nil where it means none.
    private static func place(_ name: String, _ names: TensorNames) -> (layer: Int, part: TensorNames.Part)? {
        let pieces = name.split(separator: ".", omittingEmptySubsequences: false)
        guard pieces.count > 3, pieces[2].utf8.count < 10, let layer = Int(pieces[2]), layer >= 0 else {
            return nil
        }
        for part in parts {
            let stem = names.weight(part, layer).dropLast("weight".utf8.count)
            for kind in ["weight", "lora_A.weight", "lora_B.weight"] where name == stem + kind { return (layer, part) }
        }
        return nil
    }
}

extension AdapterFile {
    fileprivate var byName: [String: TensorListing] {
        Dictionary(listing.map { ($0.name, $0) }) { first, _ in first }
    }
}
