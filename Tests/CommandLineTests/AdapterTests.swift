import Foundation
import Testing

@Suite("compile --adapter")
struct AdapterTests {
    /// A file with one matrix of zeros.
    static func write(
        _ name: String, shape: [Int], metadata: [String: String] = [:], to path: String
    ) throws {
        let count = 4 * shape.reduce(1, *)
        let header: [String: Any] = [
            "__metadata__": metadata, name: ["dtype": "F32", "shape": shape, "data_offsets": [0, count]],
        ]
        let text = try JSONSerialization.data(withJSONObject: header)
        let length = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) }
        try (length + text + Data(count: count)).write(to: URL(filePath: path))
    }

    private static func compile(_ folder: String, _ arguments: String...) throws -> Outcome {
        try LatheProcess.run(
            LatheProcess.binary, ["compile", Fixtures.gguf("llama3"), "-o", folder + "/x.plan"] + arguments)
    }

    @Test("layers share as the adapter says, and what that costs is measured; equal inputs give equal bytes")
    func sharing() throws {
        try withFolder { folder in
            let (adapter, report) = (folder + "/a.safetensors", folder + "/report.json")
            try Self.write(
                "model.layers.1.self_attn.o_proj.weight", shape: [32, 64],
                metadata: ["shared_attention": #"[{"layer":1,"donor":0,"head_map":[3,2,1,0]}]"#, "origin": "a test"],
                to: adapter)
            let outcome = try Self.compile(folder, "--adapter", adapter, "--report", report)
            try #require(outcome.exitCode == 0, "\(outcome.errors)")
            for line in [
                "share-attention: 1 layer uses the weights of another (1 of 0)",
                "adapt: 0 matrices changed by one of low rank, 1 replaced", "shared: on ",
            ] {
                #expect(outcome.errors.contains(line), "\(outcome.errors)")
            }
            let facts = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: report)))
            let sharing = try #require((facts as? [String: Any])?["sharing"] as? [String: Any])
            let receivers = try #require(sharing["receivers"] as? [[String: Any]])
            #expect(receivers.map { $0["head_map"] as? [Int] } == [[3, 2, 1, 0]])
            #expect(try #require((sharing["held_out"] as? [String: Any])?["kl_mean"] as? Double) > 0)
            let bytes = try Data(contentsOf: URL(filePath: folder + "/x.plan"))
            #expect(try Self.compile(folder, "--adapter", adapter).exitCode == 0)
            #expect(try Data(contentsOf: URL(filePath: folder + "/x.plan")) == bytes)
        }
    }

    @Test("layers get the windows that the adapter says, as --linearize gives them")
    func windows() throws {
        try withFolder { folder in
            let (adapter, report) = (folder + "/a.safetensors", folder + "/report.json")
            func write(_ windows: String) throws {
                try Self.write(
                    "model.layers.1.self_attn.o_proj.weight", shape: [32, 64], metadata: ["windows": windows],
                    to: adapter)
            }
            try write(#"[{"layer":0,"length":9,"sinks":3}]"#)
            let outcome = try Self.compile(folder, "--adapter", adapter, "--report", report)
            try #require(outcome.exitCode == 0, "\(outcome.errors)")
            for line in [
                "linearize: layer 0 with a window of 9 and 3 sinks",
                "adapt: 0 matrices changed by one of low rank, 1 replaced", "linearized: on ",
            ] {
                #expect(outcome.errors.contains(line), "\(outcome.errors)")
            }
            let facts = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: report)))
            let found = try #require((facts as? [String: Any])?["linearization"] as? [String: Any])
            #expect((found["layers"] as? [[String: Any]])?.map { $0["layer"] as? Int } == [0])
            #expect(try #require((found["held_out"] as? [String: Any])?["kl_mean"] as? Double) > 0)
            #expect((facts as? [String: Any])?["sharing"] is NSNull)
            try write(#"[{"layer":0,"length":9223372036854775807,"sinks":3}]"#)
            expectFailure(try Self.compile(folder, "--adapter", adapter), 64, naming: "leaves nothing of a context")
            try write(#"[{"layer":2,"length":9,"sinks":3}]"#)
            expectFailure(try Self.compile(folder, "--adapter", adapter), 64, naming: "the model has layers 0-1")
        }
    }

    @Test("a change of zeros leaves the predictions, and needs no text")
    func zeros() throws {
        try withFolder { folder in
            func digest(_ arguments: String...) throws -> String {
                let outcome = try LatheProcess.run(
                    LatheProcess.binary,
                    ["compile", Fixtures.gguf("llama3"), "-o", folder + "/x.plan", "--weights", "f32"] + arguments)
                try #require(outcome.exitCode == 0, "\(outcome.errors)")
                return try LatheProcess.run("run", folder + "/x.plan", "-p", "hello", "-n", "8").text
            }
            let adapter = folder + "/a.safetensors"
            let header = Data(
                #"{"model.layers.0.mlp.up_proj.lora_A.weight":{"dtype":"F32","shape":[1,32],"data_offsets":[0,128]},"model.layers.0.mlp.up_proj.lora_B.weight":{"dtype":"F32","shape":[64,1],"data_offsets":[128,384]}}"#
                    .utf8)
            let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) }
            try (length + header + Data(count: 384)).write(to: URL(filePath: adapter))
            #expect(try digest("--adapter", adapter) == digest())
        }
    }

    @Test("what is no adapter of this model ends with a cause and a remedy, and leaves no plan")
    func refusals() throws {
        try withFolder { folder in
            let adapter = folder + "/a.safetensors"
            let stem = "model.layers.1.self_attn.o_proj.weight"
            func refused(_ code: Int32, _ cause: String) throws {
                expectFailure(try Self.compile(folder, "--adapter", adapter), code, naming: cause)
                #expect(!FileManager.default.fileExists(atPath: folder + "/x.plan"))
            }
            try refused(66, "a.safetensors")
            try Data([1, 2, 3]).write(to: URL(filePath: adapter))
            try refused(65, "a.safetensors")
            try Self.write("lm_head.weight", shape: [2, 2], to: adapter)
            try refused(69, "'lm_head.weight'")
            try Self.write(stem, shape: [64, 32], to: adapter)
            try refused(65, "expected a change of 32 x 64, found one of 64 x 32")
            for (sharing, code, cause) in [
                ("[{", 65, "a.safetensors"), ("7", 65, "a.safetensors"),
                (#"[{"layer":1,"donor":0,"head_map":[0,1,2]}]"#, 65, "head map of layer 1"),
                (#"[{"layer":1,"donor":0,"head_map":[0,1,2,4]}]"#, 65, "head map of layer 1"),
                (#"[{"layer":1,"donor":0,"head_map":[0,1,2,-1]}]"#, 65, "head map of layer 1"),
                (#"[{"layer":2,"donor":1,"head_map":[0,1,2,3]}]"#, 64, "the model has layers 0-1"),
            ] as [(String, Int32, String)] {
                try Self.write(stem, shape: [32, 64], metadata: ["shared_attention": sharing], to: adapter)
                try refused(code, cause)
            }
        }
    }

    @Test("an adapter says itself what is shared")
    func exclusion() throws {
        expectFailure(
            try LatheProcess.run("compile", "a", "-o", "b", "--adapter", "c", "--share-attention", "1"), 64,
            naming: "exclude each other")
    }
}
