import Foundation
import Testing

@Suite("Bad checkpoints")
struct BadCheckpointTests {
    private func compile(_ source: String, in folder: String) throws -> Outcome {
        let outcome = try LatheProcess.run("compile", source, "-o", folder + "/out.plan", "--quiet")
        #expect(!FileManager.default.fileExists(atPath: folder + "/out.plan"))
        return outcome
    }

    @Test("a GGUF file cut anywhere in its head ends with 65")
    func truncated() throws {
        try withFolder { folder in
            let bytes = try Fixtures.ggufBytes()
            // The head ends behind the last tensor's name, its shape, type and offset.
            let head = try bytes.end(of: "output_norm.weight") + 24
            let lengths = Array(0..<40) + stride(from: 40, to: head, by: max(1, head / 60)) + [head, bytes.count - 1]
            for length in lengths {
                let path = folder + "/cut.gguf"
                try write(Array(bytes.prefix(length)), to: path)
                let outcome = try compile(path, in: folder)
                expectFailure(outcome, 65, naming: "cut.gguf")
                if outcome.exitCode != 65 { Issue.record("cut after \(length) bytes") }
            }
        }
    }

    @Test("a byte turned in the head of a GGUF file never ends by a signal")
    func flipped() throws {
        try withFolder { folder in
            let bytes = try Fixtures.ggufBytes()
            let path = folder + "/turned.gguf"
            for offset in stride(from: 0, to: 3000, by: 37) {
                var turned = bytes
                turned[offset] ^= 0x81
                try write(turned, to: path)
                let outcome = try LatheProcess.run("inspect", path, "--json")
                let exitCode = try #require(outcome.exitCode, "byte \(offset)")
                #expect([0, 65, 69].contains(exitCode), "byte \(offset): \(outcome.errors)")
                if exitCode != 0 { expectFailure(outcome, exitCode) }
            }
        }
    }

    @Test("an unknown architecture ends with 69 and names the nearest one")
    func architecture() throws {
        try withFolder { folder in
            var bytes = try Fixtures.ggufBytes()
            let value = try bytes.end(of: "general.architecture") + 12
            bytes.replaceSubrange(value..<value + 5, with: Array("lamma".utf8))
            try write(bytes, to: folder + "/other.gguf")
            expectFailure(try compile(folder + "/other.gguf", in: folder), 69, naming: "\"lamma\"", "\"llama\"")

            try Fixtures.copyFolder("qwen3", to: folder + "/model")
            try editConfiguration(of: folder + "/model") { $0["model_type"] = "qwen3\n" }
            expectFailure(try compile(folder + "/model", in: folder), 69, naming: "\"qwen3\u{5C}u{a}\"", "\"qwen3\")")
        }
    }

    @Test("an unsupported tensor type ends with 69 and is named")
    func tensorType() throws {
        try withFolder { folder in
            var bytes = try Fixtures.ggufBytes()
            // Behind the name: the number of dimensions, two dimensions, the type. 24 is I8.
            bytes.setNumber(24, at: try bytes.end(of: "blk.0.ffn_up.weight") + 20)
            try write(bytes, to: folder + "/type.gguf")
            expectFailure(try compile(folder + "/type.gguf", in: folder), 69, naming: "blk.0.ffn_up.weight", "I8")
        }
    }

    @Test("a missing tensor ends with 65 and is named")
    func missingTensor() throws {
        try withFolder { folder in
            var bytes = try Fixtures.ggufBytes()
            try bytes.replace("blk.1.attn_q.weight", with: "blk.1.attn_x.weight")
            try write(bytes, to: folder + "/missing.gguf")
            expectFailure(try compile(folder + "/missing.gguf", in: folder), 65, naming: "blk.1.attn_q.weight")
        }
    }

    @Test("a shape against the configuration ends with 65 and is named")
    func shape() throws {
        try withFolder { folder in
            var bytes = try Fixtures.ggufBytes()
            let size = try bytes.end(of: "llama.feed_forward_length") + 4
            bytes.setNumber(96, at: size)
            try write(bytes, to: folder + "/shape.gguf")
            expectFailure(try compile(folder + "/shape.gguf", in: folder), 65, naming: "ffn_", "96")

            try Fixtures.copyFolder("llama", to: folder + "/model")
            try editConfiguration(of: folder + "/model") { $0["intermediate_size"] = 96 }
            expectFailure(try compile(folder + "/model", in: folder), 65, naming: "mlp.", "96")
        }
    }

    @Test("settings without sense end with 65 and are named")
    func settings() throws {
        try withFolder { folder in
            try Fixtures.copyFolder("llama", to: folder + "/model")
            let cases: [(String, Any)] = [
                ("num_hidden_layers", 0), ("num_hidden_layers", 1_000_000_000), ("hidden_size", -4),
                ("num_attention_heads", 0), ("num_key_value_heads", 7), ("rms_norm_eps", 0),
                ("max_position_embeddings", 0), ("rope_parameters", ["rope_theta": -1]), ("hidden_size", "32"),
                ("num_key_value_heads", "1"), ("head_dim", [16]), ("rms_norm_eps", "small"),
                ("tie_word_embeddings", "yes"),
            ]
            for (key, value) in cases {
                try editConfiguration(of: folder + "/model") { $0[key] = value }
                expectFailure(try compile(folder + "/model", in: folder), 65)
                try restoreConfiguration(of: folder + "/model", family: "llama")
            }
        }
    }

    @Test("a folder without its parts ends with 66, with damaged ones with 65")
    func incompleteFolder() throws {
        try withFolder { folder in
            let model = folder + "/model"
            try Fixtures.copyFolder("llama", to: model)
            try FileManager.default.removeItem(atPath: model + "/config.json")
            expectFailure(try compile(model, in: folder), 66, naming: "config.json")
            for text in ["", "{", "[]", "{\"model_type\": 7}", "\u{0}\u{1}"] {
                try write(Array(text.utf8), to: model + "/config.json")
                expectFailure(try compile(model, in: folder), 65)
            }
            try restoreConfiguration(of: model, family: "llama")
            try FileManager.default.removeItem(atPath: model + "/model.safetensors")
            expectFailure(try compile(model, in: folder), 66, naming: "model.safetensors")
            try write(Array("PK".utf8), to: model + "/pytorch_model.bin")
            expectFailure(try compile(model, in: folder), 69, naming: "pytorch_model.bin")
        }
    }

    @Test("weights that are not finite are refused")
    func notFinite() throws {
        try withFolder { folder in
            var bytes = try Fixtures.ggufBytes()
            // The last tensor's last value, float32.
            bytes.setNumber(Float.nan.bitPattern, at: bytes.count / 4 * 4 - 4)
            try write(bytes, to: folder + "/nan.gguf")
            expectFailure(try compile(folder + "/nan.gguf", in: folder), 65, naming: "NaN")
        }
    }

    private func editConfiguration(of model: String, _ edit: (inout [String: Any]) -> Void) throws {
        let url = URL(filePath: model + "/config.json")
        var config = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any])
        edit(&config)
        try JSONSerialization.data(withJSONObject: config).write(to: url)
    }

    private func restoreConfiguration(of model: String, family: String) throws {
        try Data(contentsOf: URL(filePath: Fixtures.folder(family) + "/config.json"))
            .write(to: URL(filePath: model + "/config.json"))
    }
}
