import Foundation
import Testing

/// Logits that `transformers` computed in float32 (scripts/make_model_goldens.py).
struct GoldenLogits {
    let prompts: [[UInt32]]
    /// One row for every token of every prompt, in order.
    let rows: [[Float]]

    private struct Description: Decodable {
        let prompts: [[UInt32]]
        let shape: [Int]
    }

    init(_ name: String) throws {
        let folder = URL(filePath: TestModel.resource(name))
        let description = try JSONDecoder().decode(
            Description.self, from: Data(contentsOf: folder.appending(path: "golden.json")))
        let values = try Data(contentsOf: folder.appending(path: "golden.bin")).withUnsafeBytes { bytes in
            (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
        }
        let width = description.shape[1]
        prompts = description.prompts
        rows = (0..<description.shape[0]).map { Array(values[$0 * width..<($0 + 1) * width]) }
    }
}

@Suite("Logits of tiny checkpoints against transformers in float32")
struct GoldenLogitsTests {
    @Test(
        "float32 plans agree within 2e-3 and in every argmax",
        arguments: [
            "llama", "llama3", "llama_linear", "mistral", "qwen2", "qwen3", "llama/model.gguf", "llama3/model.gguf",
            "llama_linear/model.gguf", "qwen2/model.gguf", "qwen3/model.gguf", "quantized/model.gguf",
        ])
    func float32PlansAgree(path: String) throws {
        let golden = try GoldenLogits(path.split(separator: "/").first.map(String.init) ?? path)
        let model = try TestModel(TestModel.resource(path), precision: .f32)
        var row = 0
        var largest: Float = 0
        for prompt in golden.prompts {
            for logits in try model.logits(of: prompt) {
                let expected = golden.rows[row]
                #expect(logits.count == expected.count)
                for (found, expected) in zip(logits, expected) { largest = max(largest, abs(found - expected)) }
                let found = logits.indices.max { logits[$0] < logits[$1] }
                #expect(found == expected.indices.max { expected[$0] < expected[$1] }, "row \(row)")
                row += 1
            }
        }
        #expect(row == golden.rows.count)
        #expect(largest <= 2e-3)
    }

    @Test("both forms of config.json say the same: `rope_theta` with `rope_scaling`, and `rope_parameters`")
    func bothFormsOfTheConfigurationAgree() throws {
        let folder = URL(filePath: TestModel.resource("llama3"))
        let other = FileManager.default.temporaryDirectory.appending(path: "lathe-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: other, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: other) }
        for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) where name != "config.json" {
            let copy = other.appending(path: name == "config.newer.json" ? "config.json" : name)
            try FileManager.default.copyItem(at: folder.appending(path: name), to: copy)
        }
        let text = try String(contentsOf: other.appending(path: "config.json"), encoding: .utf8)
        #expect(text.contains("rope_parameters") && !text.contains("rope_scaling"))
        let tokens = SameBitsTests.tokens
        let older = try TestModel(folder.path, precision: .f32).logits(of: tokens)
        let newer = try TestModel(other.path, precision: .f32).logits(of: tokens)
        #expect(SameBitsTests.bits(older) == SameBitsTests.bits(newer))
    }
}
