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
    /// What becomes of the attention of layers, by layer.
    public let linearized: [Int: LinearizedForm]
    let entries: [Entry]
    let file: AdapterFile

    private static let sharing = "shared_attention"
    private static let parts: [TensorNames.Part] = [.query, .key, .value, .attentionOutput, .gate, .up, .down]

    /// Fails with `missing`, `damaged`, `unsupported` or `changed`, as formats/adapter.md says.
    public init(_ path: String) throws(CheckpointError) { try self.init(AdapterFile(path)) }

    /// Reads a file that is open already.
    public init(_ file: AdapterFile) throws(CheckpointError) {
        self.file = file
        receivers = try Adapter.receivers(file)
        let layers = try LinearizedLayers(file)
        linearized = layers.forms
        entries = try Adapter.entries(file, besides: layers.tensorNames)
        guard !receivers.isEmpty || !linearized.isEmpty || !entries.isEmpty else {
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

    private static func receivers(_ file: AdapterFile) throws(CheckpointError) -> [Receiver] {
        guard let value = try file.value(of: sharing) else { return [] }
        func damaged(_ found: String) -> CheckpointError {
            file.error(at: sharing, expected: "layers with a donor and a head map each, in order", found: found)
        }
        guard let elements = value.array else { throw damaged("no array") }
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

    static func entries(
        _ file: AdapterFile, besides others: Set<String>
    ) throws(CheckpointError) -> [Entry] {
        let names = TensorNames(isGGUF: false)
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
                guard let other = file.byName[stem + "lora_B.weight"], file.byName[stem + "weight"] == nil else {
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
                guard file.byName[stem + "lora_A.weight"] != nil else {
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
