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
                    LatheProcess.binary,
                    ["compile", Fixtures.gguf("llama3"), "-o", path] + arguments
                        + (arguments.contains("1") || arguments.contains("1-1") ? ["--share-method", "plain"] : []))
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

    /// What `compile --json` and its report say.
    private static func compile(
        _ folder: String, _ arguments: String...
    ) throws -> (printed: [String: Any], sharing: [String: Any]) {
        let report = folder + "/report.json"
        let outcome = try LatheProcess.run(
            LatheProcess.binary,
            ["compile", Fixtures.gguf("llama3"), "-o", folder + "/x.plan", "--json", "--report", report] + arguments)
        try #require(outcome.exitCode == 0, "\(outcome.errors)")
        let printed = try JSONSerialization.jsonObject(with: Data(outcome.output))
        let facts = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: report)))
        return (
            try #require(printed as? [String: Any]),
            try #require((facts as? [String: Any])?["sharing"] as? [String: Any])
        )
    }

    @Test("repair lowers what sharing costs, is reported, and gives the same bytes again")
    func repair() throws {
        try withFolder { folder in
            var divergences: [Double] = []
            for method in ["plain", "heads", "repaired"] {
                let (printed, sharing) = try Self.compile(
                    folder, "--share-attention", "auto", "--share-layers", "1", "--share-method", method)
                let measured = try #require(sharing["held_out"] as? [String: Any])
                #expect(
                    (printed["shared_held_out"] as? [String: Any])?["kl_mean"] as? Double == measured["kl_mean"]
                        as? Double)
                divergences.append(try #require(measured["kl_mean"] as? Double))
                let receivers = try #require(sharing["receivers"] as? [[String: Any]])
                try #require(receivers.count == 1)
                #expect(receivers[0]["layer"] as? Int == 1 && receivers[0]["donor"] as? Int == 0)
                #expect(try #require(receivers[0]["kl_alone"] as? Double) > 0)
                let (before, after) = (receivers[0]["output_error_before"], receivers[0]["output_error"])
                if method == "repaired" {
                    #expect(try #require(after as? Double) < #require(before as? Double))
                } else {
                    #expect(after is NSNull)
                }
                // Two key heads of 16 in f16, queries of four heads and keys of two from 32 values.
                #expect(sharing["state_bytes_saved"] as? Int == 64)
                #expect(sharing["weights_saved"] as? Int == 96 * 32)
            }
            #expect(divergences[2] < divergences[0] && divergences[2] < divergences[1], "\(divergences)")
            let bytes = try Data(contentsOf: URL(filePath: folder + "/x.plan"))
            let page = folder + "/report.html"
            _ = try Self.compile(folder, "--share-attention", "1", "--report", page)
            #expect(try Data(contentsOf: URL(filePath: folder + "/x.plan")) == bytes)
            #expect(try String(contentsOfFile: page, encoding: .utf8).contains("Shared attention"))
        }
    }

    @Test("a budget of divergence takes what it allows, down to nothing")
    func budget() throws {
        try withFolder { folder in
            for (limit, count) in [("1e-9", 0), ("100", 1)] {
                let (_, sharing) = try Self.compile(folder, "--share-attention", "auto", "--budget-kl", limit)
                #expect((sharing["receivers"] as? [Any])?.count == count)
            }
        }
    }

    @Test(
        "flags that do not go together end with 64",
        arguments: [
            ["--share-attention", "auto"], ["--share-layers", "2"], ["--budget-kl", "1", "--share-attention", "1"],
            ["--share-attention", "auto", "--share-layers", "1", "--budget-kl", "1"],
            ["--share-attention", "auto", "--share-layers", "0"],
            ["--share-attention", "auto", "--budget-kl", "0"], ["--share-attention", "auto", "--budget-kl", "nan"],
            ["--share-method", "plain"], ["--calibration", "x"], ["--report", "x"],
        ])
    func mismatched(arguments: [String]) throws {
        expectFailure(
            try LatheProcess.run(LatheProcess.binary, ["compile", "a", "-o", "b"] + arguments), 64, naming: "--")
    }

    @Test("text that is too short to keep some of it back is refused")
    func shortText() throws {
        try withFolder { folder in
            let text = folder + "/text"
            try String(repeating: "word ", count: 100).write(toFile: text, atomically: true, encoding: .utf8)
            expectFailure(
                try LatheProcess.run(
                    "compile", Fixtures.gguf("llama3"), "-o", folder + "/x.plan", "--share-attention", "1",
                    "--calibration", text), 65, naming: "the calibration text has")
        }
    }

    @Test("attention similarity is told in words, as JSON and as a picture")
    func similarity() throws {
        try withFolder { folder in
            let picture = folder + "/x.svg"
            let outcome = try LatheProcess.run(
                "inspect", Fixtures.gguf("llama3"), "--attention-similarity", "--json", "--graph", picture)
            try #require(outcome.exitCode == 0, "\(outcome.errors)")
            let found = try JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any]
            let pairs = try #require(found?["pairs"] as? [[String: Any]])
            try #require(pairs.count == 1)
            #expect(pairs[0]["layer"] as? Int == 1 && pairs[0]["earlier"] as? Int == 0)
            for key in ["with_sink", "without_sink", "best_without_sink"] {
                let cosines = try #require(pairs[0][key] as? [Double])
                #expect(cosines.count == 4 && cosines.allSatisfy { (0...1.000001).contains($0) }, "\(key)")
            }
            #expect(try String(contentsOfFile: picture, encoding: .utf8).contains("Cosine of attention weights"))
            let text = try LatheProcess.run("inspect", Fixtures.gguf("llama3"), "--attention-similarity").text
            #expect(text.contains("without sink"))
            expectFailure(
                try LatheProcess.run("inspect", Fixtures.gguf("llama3"), "--calibration", picture), 64,
                naming: "--attention-similarity")
            let plan = folder + "/x.plan"
            _ = try LatheProcess.run("compile", Fixtures.gguf("llama3"), "-o", plan)
            expectFailure(
                try LatheProcess.run("inspect", plan, "--attention-similarity"), 64,
                naming: "the attention of a plan is not compared")
        }
    }

    @Test("a target goes with it: values alone are quantized, and what is left out is not counted")
    func target() throws {
        try withFolder { folder in
            let (plan, report) = (folder + "/x.plan", folder + "/x.json")
            let outcome = try LatheProcess.run(
                "compile", Fixtures.gguf("llama3"), "-o", plan, "--share-attention", "1", "--target-bpw", "40",
                "--report", report)
            #expect(outcome.exitCode == 0, "\(outcome.errors)")
            #expect(outcome.errors.contains("share-attention: 1 layer uses"))
            let facts = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: report)))
            let quantization = try #require((facts as? [String: Any])?["quantization"] as? [String: Any])
            let matrices = try #require(quantization["matrices"] as? [[String: Any]])
            let projections = matrices.filter { ($0["name"] as? String ?? "").hasSuffix("attention.projected") }
            // Four query heads and two key heads of 16; the receiver has the values of the latter.
            #expect(projections.map { $0["rows"] as? Int } == [128, 32])
            #expect(try LatheProcess.run("run", plan, "-p", "hello", "-n", "4").exitCode == 0)
        }
    }
}
