import Foundation
import Testing

@Suite("compile --linearize")
struct LinearizeTests {
    /// Compiles a model of two layers; what `--json` prints, and what the report says.
    private static func compile(
        _ folder: String, _ arguments: String...
    ) throws -> (printed: [String: Any], linearization: [String: Any]) {
        let report = folder + "/report.json"
        let outcome = try LatheProcess.run(
            LatheProcess.binary,
            [
                "compile", Fixtures.gguf("llama3"), "-o", folder + "/x.plan", "--json", "--report", report, "--window",
                "9", "--sinks", "3",
            ] + arguments)
        try #require(outcome.exitCode == 0, "\(outcome.errors)")
        let printed = try JSONSerialization.jsonObject(with: Data(outcome.output))
        let facts = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: report)))
        return (
            try #require(printed as? [String: Any]),
            try #require((facts as? [String: Any])?["linearization"] as? [String: Any])
        )
    }

    @Test("layers are compiled, measured, reported, inspected and run")
    func compile() throws {
        try withFolder { folder in
            let (printed, facts) = try Self.compile(folder, "--linearize", "1")
            let measured = try #require(facts["held_out"] as? [String: Any])
            let divergence = try #require(measured["kl_mean"] as? Double)
            #expect(divergence > 0 && divergence < 1)
            #expect((printed["linearized_held_out"] as? [String: Any])?["kl_mean"] as? Double == divergence)
            let layers = try #require(facts["layers"] as? [[String: Any]])
            try #require(layers.count == 1)
            #expect(layers[0]["layer"] as? Int == 1 && layers[0]["window"] as? Int == 9)
            #expect(layers[0]["sinks"] as? Int == 3)
            // Two key heads of 16 in f16, keys and values.
            #expect(facts["state_bytes_per_position"] as? Int == 128)
            #expect(facts["state_bytes_per_position_before"] as? Int == 256)
            #expect(facts["state_bytes_constant"] as? Int == 12 * 128)
            let inspected = try LatheProcess.run("inspect", folder + "/x.plan", "--json")
            let plan = try #require(
                try JSONSerialization.jsonObject(with: Data(inspected.output)) as? [String: Any])
            #expect(plan["state_bytes_per_position"] as? Int == 128)
            #expect(plan["state_bytes_constant"] as? Int == 12 * 128)
            let states = try #require(plan["states"] as? [[String: Any]])
            #expect(states.map { $0["window"] as? Int } == [nil, 9] && states.map { $0["sinks"] as? Int } == [nil, 3])
            let text = try LatheProcess.run("inspect", folder + "/x.plan").text
            for line in [
                "128 bytes a position and 1,536 bytes that do not grow",
                "state 1: keys and values, 2 heads of 16, f16, of the last 9 positions and 3 sinks",
            ] { #expect(text.contains(line), "\(line)") }
            let run = try LatheProcess.run("run", folder + "/x.plan", "-p", "hello", "-n", "4")
            #expect(run.exitCode == 0, "\(run.errors)")
            let bench = try LatheProcess.run(
                "bench", folder + "/x.plan", "-p", "8", "-n", "4", "-d", "20", "-r", "1", "--json")
            #expect(bench.exitCode == 0, "\(bench.errors)")
        }
    }

    @Test("auto chooses, and the same again gives the same bytes and a page")
    func auto() throws {
        try withFolder { folder in
            let (_, facts) = try Self.compile(folder, "--linearize", "auto", "--linearize-layers", "1")
            let layers = try #require(facts["layers"] as? [[String: Any]])
            try #require(layers.count == 1)
            #expect(try #require(layers[0]["kl_alone"] as? Double) > 0)
            #expect(layers[0]["kl_alone"] as? Double == layers[0]["kl_so_far"] as? Double)
            let bytes = try Data(contentsOf: URL(filePath: folder + "/x.plan"))
            let layer = try #require(layers[0]["layer"] as? Int)
            let page = folder + "/report.html"
            _ = try Self.compile(folder, "--linearize", "\(layer)", "--report", page)
            #expect(try Data(contentsOf: URL(filePath: folder + "/x.plan")) == bytes)
            #expect(try String(contentsOfFile: page, encoding: .utf8).contains("Linearized attention"))
        }
    }

    @Test(
        "forms are fitted, reported and run; the best one is chosen", arguments: ["hybrid", "grouped", "auto"])
    func forms(form: String) throws {
        try withFolder { folder in
            let report = folder + "/report.json"
            var arguments = [
                "compile", Fixtures.gguf("llama3"), "-o", folder + "/x.plan", "--linearize", "0-1", "--linearize-form",
                form,
                "--report", report,
            ]
            if form != "grouped" { arguments += ["--window", "12", "--sinks", "3"] }
            let outcome = try LatheProcess.run(LatheProcess.binary, arguments)
            try #require(outcome.exitCode == 0, "\(outcome.errors)")
            let facts = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: report)))
            let linearization = try #require((facts as? [String: Any])?["linearization"] as? [String: Any])
            let layers = try #require(linearization["layers"] as? [[String: Any]])
            try #require(layers.count == 2)
            for layer in layers {
                switch form {
                case "hybrid":
                    #expect(layer["features"] as? Int == 32 && layer["block"] as? Int == 12)
                    #expect((layer["heads"] as? [String: Any])?["after"] as? Double ?? 1 < 1)
                case "grouped": #expect(layer["group"] as? Int == 64 && layer["taps"] as? Int == 32)
                default: #expect(layer["window"] != nil || layer["group"] != nil)
                }
                let fit = try #require(layer["output"] as? [String: Any])
                #expect(try #require(fit["after"] as? Double) <= #require(fit["before"] as? Double))
            }
            let run = try LatheProcess.run("run", folder + "/x.plan", "-p", "hello", "-n", "20")
            #expect(run.exitCode == 0, "\(run.errors)")
            let bytes = try Data(contentsOf: URL(filePath: folder + "/x.plan"))
            _ = try LatheProcess.run(LatheProcess.binary, arguments)
            #expect(try Data(contentsOf: URL(filePath: folder + "/x.plan")) == bytes)
        }
    }

    @Test("a budget of divergence takes what it allows, down to nothing")
    func budget() throws {
        try withFolder { folder in
            for (limit, count) in [("1e-9", 0), ("100", 2)] {
                let (_, facts) = try Self.compile(folder, "--linearize", "auto", "--budget-kl", limit)
                #expect((facts["layers"] as? [Any])?.count == count)
            }
        }
    }

    @Test("it goes with shared attention weights and with a target")
    func together() throws {
        try withFolder { folder in
            let (printed, facts) = try Self.compile(
                folder, "--linearize", "0", "--share-attention", "1", "--share-method", "plain", "--target-bpw", "40")
            #expect(printed["held_out"] != nil)
            #expect(facts["state_bytes_per_position"] as? Int == 0)
            #expect(facts["state_bytes_constant"] as? Int == 12 * 192)
            let run = try LatheProcess.run("run", folder + "/x.plan", "-p", "hello", "-n", "20")
            #expect(run.exitCode == 0, "\(run.errors)")
        }
    }

    @Test(
        "what makes no sense for this model ends before minutes are spent",
        arguments: [
            (["--linearize", "2"], Int32(64), "the model has layers 0-1"),
            (["--linearize", "0-9223372036854775807"], 64, "--linearize"),
            (["--linearize", "0", "--window", "0"], 64, "a window of 0"),
            (["--linearize", "0", "--sinks", "257"], 64, "257 sinks"),
            (["--linearize", "0", "--window", "100000"], 64, "leaves nothing of a context of"),
            (["--linearize", "auto", "--linearize-layers", "1", "--window", "100000"], 64, "leaves nothing"),
            (["--linearize", "1", "--share-attention", "1", "--share-method", "plain"], 69, "layer 1 cannot be"),
        ])
    func refusals(arguments: [String], exitCode: Int32, cause: String) throws {
        try withFolder { folder in
            expectFailure(
                try LatheProcess.run(
                    LatheProcess.binary,
                    ["compile", Fixtures.gguf("llama3"), "-o", folder + "/x.plan"] + arguments), exitCode, naming: cause
            )
            #expect(!FileManager.default.fileExists(atPath: folder + "/x.plan"))
        }
    }

    @Test(
        "flags that do not go together end with 64",
        arguments: [
            ["--linearize", "auto"], ["--linearize-layers", "2"], ["--window", "9"], ["--sinks", "4"],
            ["--linearize", "auto", "--linearize-layers", "1", "--budget-kl", "1"],
            ["--linearize", "auto", "--linearize-layers", "0"], ["--linearize", "auto", "--budget-kl", "nan"],
            ["--linearize", "auto", "--share-attention", "auto", "--budget-kl", "1"],
            ["--linearize", "1", "--budget-kl", "1"], ["--linearize", "1-"], ["--linearize", ""],
            ["--linearize-form", "hybrid"], ["--features", "32"], ["--linearize-method", "plain"],
            ["--linearize", "1", "--features", "32"], ["--linearize", "1", "--linearize-form", "triangle"],
            ["--linearize", "1", "--linearize-form", "hybrid", "--features", "40"],
            ["--linearize", "1", "--linearize-form", "hybrid", "--features", "0"],
            ["--linearize", "1", "--linearize-form", "hybrid", "--linearize-method", "plain"],
            ["--linearize", "1", "--linearize-form", "grouped", "--window", "9"],
        ])
    func mismatched(arguments: [String]) throws {
        expectFailure(
            try LatheProcess.run(LatheProcess.binary, ["compile", "a", "-o", "b"] + arguments), 64, naming: "--")
    }
}
