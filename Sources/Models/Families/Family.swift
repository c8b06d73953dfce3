import Checkpoints

/// An architecture family: which checkpoints it covers and how they map to the IR.
///
/// To add one, write its file beside this one and list it in `all` (docs/adding-a-model-family.md).
public protocol Family: Sendable {
    /// `model_type` values of `config.json`.
    var huggingFaceNames: [String] { get }
    /// `general.architecture` values of GGUF.
    var ggufNames: [String] { get }
    /// Maps a checkpoint of this family. Throws `ModelError`.
    func model(_ checkpoint: Checkpoint) throws(ModelError) -> Model
}

/// The families that are known.
public enum Families {
    public static let all: [any Family] = [Llama(), Qwen2(), Qwen3()]

    /// Every architecture name that is known, sorted.
    public static var knownNames: [String] {
        Set(all.flatMap { $0.huggingFaceNames + $0.ggufNames }).sorted()
    }
}

extension Model {
    /// Reads a checkpoint's structure with the family that its architecture name belongs to; weights stay where they
    /// are. Throws `unknownArchitecture`, or what the family finds wrong.
    public init(_ checkpoint: Checkpoint) throws(ModelError) {
        let settings = try Settings(checkpoint)
        let name = settings.architecture
        for family in Families.all
        where (settings.isGGUF ? family.ggufNames : family.huggingFaceNames).contains(name) {
            self = try family.model(checkpoint)
            return
        }
        throw .unknownArchitecture(found: name, nearest: Model.nearest(to: name))
    }

    /// The known name with the smallest edit distance.
    private static func nearest(to name: String) -> String {
        Families.knownNames.min { editDistance($0, name) < editDistance($1, name) } ?? ""
    }

    private static func editDistance(_ a: String, _ b: String) -> Int {
        let (a, b) = (Array(a.utf8), Array(b.utf8.prefix(64)))
        var row = Array(0...b.count)
        for i in a.indices {
            var diagonal = row[0]
            row[0] = i + 1
            for j in b.indices {
                let substituted = diagonal + (a[i] == b[j] ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(substituted, diagonal + 1, row[j] + 1)
            }
        }
        return row[b.count]
    }
}
