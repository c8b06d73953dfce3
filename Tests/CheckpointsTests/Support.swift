import Checkpoints
import Foundation
import Testing

/// The path of a golden file (scripts/make_checkpoint_goldens.py).
func resource(_ name: String) -> String {
    Bundle.module.bundlePath + "/Resources/" + name
}

func contents(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))) }

/// A directory that is removed with its owner.
final class TemporaryDirectory {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "checkpoints-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ name: String, _ bytes: [UInt8]) throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: path + "/" + name))
        return path + "/" + name
    }

    func write(_ name: String, _ text: String) throws -> String { try write(name, Array(text.utf8)) }
}

/// A tensor's values as the reference packages read them.
struct GoldenTensor {
    let name: String
    let shape: [Int]
    let values: [Float]

    static func all(_ name: String) throws -> [GoldenTensor] {
        let data = try contents(resource(name + ".f32"))
        let text = String(decoding: try contents(resource(name + ".txt")), as: UTF8.self)
        return try text.split(separator: "\n").map { line in
            let fields = line.split(separator: " ")
            let numbers = try fields.dropFirst().map { try #require(Int($0)) }
            let shape = Array(numbers.dropFirst())
            let count = shape.reduce(1, *)
            let values = (numbers[0]..<numbers[0] + count).map { index in
                data.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: index * 4, as: Float.self) }
            }
            return GoldenTensor(name: String(fields[0]), shape: shape, values: values)
        }
    }
}

/// The bits of values, all NaN made one: their payload depends on the machine.
func bits(_ values: some Sequence<Float>) -> [UInt32] { values.map { $0.isNaN ? 0x7fc0_0000 : $0.bitPattern } }

extension Checkpoint {
    /// All values of a tensor.
    func values(_ entry: TensorEntry, rows: Range<Int>? = nil) -> [Float] {
        let rows = rows ?? 0..<entry.rowCount
        var values = [Float](repeating: -1, count: rows.count * entry.rowElements)
        values.withUnsafeMutableBufferPointer { decode(entry, rows: rows, into: $0) }
        return values
    }

    /// Reads everything that can be read: what the fuzzers and the damage tests do with a file that opened.
    func readEverything() {
        for name in tensorNames {
            if let entry = try? tensor(name) { _ = values(entry) }
        }
        if case .gguf(let metadata) = metadata {
            for key in metadata.keys {
                _ = (metadata.string(key), metadata.integer(key), metadata.integers(key), metadata.floats(key))
                _ = metadata.strings(key)?.map { $0.count }
                _ = metadata.booleans(key)
            }
        }
    }
}

/// Opens bytes as a GGUF file.
func openGGUF(_ bytes: [UInt8]) throws(CheckpointError) -> Checkpoint {
    let mapping = bytes.withUnsafeBytes { Mapping(copying: $0, path: "memory.gguf") }
    return try Checkpoint(parsingGGUF: mapping)
}

/// Opens bytes as a safetensors file with an empty configuration.
func openSafetensors(_ bytes: [UInt8]) throws(CheckpointError) -> Checkpoint {
    let mapping = bytes.withUnsafeBytes { Mapping(copying: $0, path: "memory.safetensors") }
    let files = HuggingFaceFiles(directory: ".", config: .object(JSONObject([])))
    return try Checkpoint(parsingSafetensors: mapping, files: files)
}

/// The error of a refusal; a success is a failure of the test.
func refusal(
    _ open: @autoclosure () throws(CheckpointError) -> Checkpoint, _ location: SourceLocation = #_sourceLocation
) -> CheckpointError? {
    do throws(CheckpointError) {
        _ = try open()
        Issue.record("opened", sourceLocation: location)
        return nil
    } catch {
        return error
    }
}
