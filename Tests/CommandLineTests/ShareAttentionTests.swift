import Foundation
import Testing

@Suite("compile --share-attention")
struct ShareAttentionTests {
    @Test("explicit spans are compiled, inspected and run; off is the default")
    func compile() throws {
        try withFolder { folder in
            func compile(_ name: String, _ arguments: String...) throws -> Data {
                let path = folder + "/" + name
                let outcome = try LatheProcess.run(
                    LatheProcess.binary, ["compile", Fixtures.gguf("llama3"), "-o", path] + arguments)
                try #require(outcome.exitCode == 0, "\(outcome.errors)")
                #expect(outcome.errors.contains("share-attention: 1 layer uses") == (name == "shared.plan"))
                return try Data(contentsOf: URL(filePath: path))
            }
            let dense = try compile("dense.plan")
            #expect(try compile("off.plan", "--share-attention", "off") == dense)
            let shared = try compile("shared.plan", "--share-attention", "1")
            #expect(try compile("shared.plan", "--share-attention", "1-1") == shared)
            #expect(shared.count < dense.count)
            func inspect(_ name: String) throws -> [String: Any] {
                let outcome = try LatheProcess.run("inspect", folder + "/" + name, "--json")
                return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
            }
            let (old, new) = (try inspect("dense.plan"), try inspect("shared.plan"))
            let states = try #require(new["states"] as? [[String: Any]])
            #expect(states.map { $0["kind"] as? String } == ["keys and values", "values"])
            // Two heads of 16 dimensions in f16.
            #expect(states.map { $0["bytes_per_position"] as? Int } == [128, 64])
            #expect(old["state_bytes_per_position"] as? Int == 256)
            #expect(new["state_bytes_per_position"] as? Int == 192)
            #expect(old["kept_weight_bytes"] as? Int == 0)
            #expect(new["kept_weight_bytes"] as? Int == 256 * 4 * 258 * 4)
            let body = try #require(new["body"] as? [[String: Any]])
            let receiver = try #require(body.first { $0["operation"] as? String == "attend shared" })
            #expect(receiver["donor"] as? Int == 0 && receiver["state"] as? Int == 1)
            #expect(receiver["head_map"] as? [Int] == [0, 1, 2, 3])
            let text = try LatheProcess.run("inspect", folder + "/shared.plan", "--graph", folder + "/x.svg").text
            for line in ["state 1: values, 2 heads of 16, f16", "weights of state 0", "attention weights kept"] {
                #expect(text.contains(line), "\(line)")
            }
            #expect(try String(contentsOfFile: folder + "/x.svg", encoding: .utf8).contains("attend shared"))
            for cache in ["f16", "f32"] {
                let run = try LatheProcess.run(
                    "run", folder + "/shared.plan", "-p", "hello", "-n", "4", "--kv-cache", cache)
                #expect(run.exitCode == 0, "\(run.errors)")
            }
        }
    }

    @Test("spans that this model cannot have end with 64, a cause and a remedy")
    func refusals() throws {
        try withFolder { folder in
            for (spans, cause) in [
                ("0", "layer 0 cannot share attention: no layer comes before layer 0"),
                ("0-1", "layers 0-1 cannot share attention"),
                ("0-9223372036854775807", "layers 0-9223372036854775807 cannot share attention"),
                ("1-2", "the model has layers 0-1"),
                ("1,1", "layer 1 and layer 1 cannot both share attention"), ("2", "the model has layers 0-1"),
            ] {
                expectFailure(
                    try LatheProcess.run(
                        "compile", Fixtures.gguf("llama3"), "-o", folder + "/x.plan", "--share-attention", spans), 64,
                    naming: cause)
                #expect(!FileManager.default.fileExists(atPath: folder + "/x.plan"))
            }
        }
    }

    @Test(
        "what is no span ends with 64 before any file is opened",
        arguments: ["", "1-", "-1", "3-2", "1,,2", "1-2-3", "a", "1 ", "+1", "99999999999999999999", "off,1"])
    func notASpan(text: String) throws {
        expectFailure(
            try LatheProcess.run("compile", "a", "-o", "b", "--share-attention=" + text), 64,
            naming: "--share-attention")
    }

    @Test("a target is refused beside it")
    func target() throws {
        expectFailure(
            try LatheProcess.run("compile", "a", "-o", "b", "--share-attention", "1", "--target-bpw", "4"), 64,
            naming: "--share-attention and a target")
    }
}
