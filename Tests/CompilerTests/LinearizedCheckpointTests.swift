import Checkpoints
import Foundation
import Models
import Testing

/// A folder with config.json and model.safetensors: the model with which adapters are tested, linearized as its adapter says.
private struct LinearizedFolder {
    var config: [String: Any]
    private(set) var tensors: [String: (type: String, shape: [Int], bytes: Data)] = [:]

    init() throws {
        let source = TestModel.resource("shared_attention")
        let text = try Data(contentsOf: URL(filePath: source + "/config.json"))
        config = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
        _ = try add(source + "/model.safetensors")
        let metadata = try add(TestModel.resource("linear_attention/adapter.safetensors"))
        for (key, text) in try #require(metadata as? [String: String]) {
            config[key] = try JSONSerialization.jsonObject(with: Data(text.utf8))
        }
    }

    /// Takes all tensors of a file, in place of those that have the same names; returns its metadata.
    private mutating func add(_ path: String) throws -> Any? {
        let data = try Data(contentsOf: URL(filePath: path))
        let count = Int(data.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
        let header = try #require(
            try JSONSerialization.jsonObject(with: data[8..<8 + count]) as? [String: [String: Any]])
        for (name, tensor) in header where name != "__metadata__" {
            let offsets = try #require(tensor["data_offsets"] as? [Int])
            tensors[name] = (
                try #require(tensor["dtype"] as? String), try #require(tensor["shape"] as? [Int]),
                data[8 + count + offsets[0]..<8 + count + offsets[1]]
            )
        }
        return header["__metadata__"]
    }

    mutating func set(_ name: String, shape: [Int], to value: Float = 0) {
        let values = Array(repeating: value, count: shape.reduce(1, *))
        tensors[name] = ("F32", shape, values.withUnsafeBytes { Data($0) })
    }

    mutating func remove(_ name: String) { tensors[name] = nil }

    /// Calls `body` with the folder's path.
    func with<Result>(_ body: (String) throws -> Result) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "lathe-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try JSONSerialization.data(withJSONObject: config).write(to: folder.appending(path: "config.json"))
        let sorted = tensors.sorted { $0.key < $1.key }.map { ($0.key, $0.value.type, $0.value.shape, $0.value.bytes) }
        try SafetensorsImage.data(sorted).write(to: folder.appending(path: "model.safetensors"))
        return try body(folder.path)
    }
}

@Suite("Checkpoints whose layers are linearized")
struct LinearizedCheckpointTests {
    @Test("windows, features behind them and groups give the logits of numpy in float64")
    func golden() throws {
        try LinearizedFolder().with { path in
            try LinearAttentionGolden().expect(TestModel(path, precision: .f32, maximumRows: 16), chunk: 16)
        }
    }

    @Test("layers and tensors that do not fit are refused by name")
    func refusals() throws {
        let taps = "model.layers.0.self_attn.convolution.weight"
        let gate = "model.layers.2.self_attn.gate.weight"
        let cases: [(String, Int32, (inout LinearizedFolder) -> Void)] = [
            ("expected layers with a length and a number of sinks each, in order", 65, { $0.config["windows"] = 7 }),
            (
                "layer 0, which has another form", 65,
                { $0.config["windows"] = [["layer": 0, "length": 8, "sinks": 0]] }
            ),
            (
                "layer of another attention is 6", 65,
                { $0.config["windows"] = [["layer": 6, "length": 8, "sinks": 0]] }
            ),
            (
                "attention cannot have a window of 0 with 0 sinks", 65,
                { $0.config["windows"] = [["layer": 1, "length": 0, "sinks": 0]] }
            ),
            ("layer 0 has not as many taps for each of 4 query heads", 65, { $0.set(taps, shape: [3, 5]) }),
            ("found infinity or NaN", 65, { $0.set(taps, shape: [4, 5], to: .nan) }),
            ("expected a matrix, found shape [20]", 65, { $0.set(taps, shape: [20]) }),
            ("layer 2 has feature maps or a gate of other shapes", 65, { $0.set(gate, shape: [4, 9]) }),
            ("expected a tensor \(gate), found none", 65, { $0.remove(gate) }),
            ("has no place in this architecture", 69, { $0.config["hybrid_attention"] = nil }),
        ]
        for (cause, exitCode, change) in cases {
            var folder = try LinearizedFolder()
            change(&folder)
            let error = #expect(throws: ModelError.self) { try folder.with { _ = try Model(Checkpoint.open($0)) } }
            #expect(error?.cause.contains(cause) == true, "\(cause): \(error?.cause ?? "")")
            #expect(error?.exitCode == exitCode, "\(cause)")
        }
    }
}
