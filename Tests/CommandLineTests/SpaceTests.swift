import Foundation
import Testing

@Suite("compile --space")
struct SpaceTests {
    private static func compile(_ path: String, _ arguments: String...) throws -> Outcome {
        try LatheProcess.run(LatheProcess.binary, ["compile", Fixtures.gguf("llama3"), "-o", path] + arguments)
    }

    @Test("a plan has masks, says so, drafts with them, and says what it says without")
    func masks() throws {
        try withFolder { folder in
            let (masks, plain, masked) = (folder + "/m.safetensors", folder + "/plain.plan", folder + "/masked.plan")
            try AdapterTests.write("masks.weight", shape: [2, 32], to: masks)
            #expect(try Self.compile(plain).exitCode == 0)
            let outcome = try Self.compile(masked, "--space", masks)
            #expect(outcome.exitCode == 0, "\(outcome.errors)")
            #expect(outcome.errors.contains("masks: 2 masks, 0 matrices changed for them"))
            let bytes = try Data(contentsOf: URL(filePath: masked))
            #expect(try Self.compile(masked, "--space", masks).exitCode == 0)
            #expect(try Data(contentsOf: URL(filePath: masked)) == bytes)
            #expect(try LatheProcess.run("verify", masked, "--deep").exitCode == 0)
            let inspected = try LatheProcess.run("inspect", masked)
            #expect(String(decoding: inspected.output, as: UTF8.self).contains("masks in 2 places"))
            #expect(!String(decoding: try LatheProcess.run("inspect", plain).output, as: UTF8.self).contains("masks"))
            let arguments = ["-p", "hi", "-n", "24", "--ignore-eos", "--digest"]
            let expected = try LatheProcess.run(LatheProcess.binary, ["run", plain] + arguments)
            for draft in ["off", "space", "auto"] {
                let found = try LatheProcess.run(LatheProcess.binary, ["run", masked, "--draft", draft] + arguments)
                #expect(found.exitCode == 0 && found.output == expected.output, "\(found.errors)")
                let line = try #require(found.errors.split(separator: "\n").first { $0.hasPrefix("logits") })
                #expect(expected.errors.contains(line))
            }
        }
    }

    @Test("a token that the model was trained with stands for unknown ones")
    func token() throws {
        try withFolder { folder in
            let plan = folder + "/x.plan"
            let outcome = try Self.compile(plan, "--mask-token", "77")
            #expect(
                outcome.exitCode == 0 && outcome.errors.contains("masks: token 77 in 5 places"), "\(outcome.errors)")
            let arguments = ["run", plan, "-p", "hi", "-n", "24", "--ignore-eos"]
            let plain = try LatheProcess.run(LatheProcess.binary, arguments)
            let drafted = try LatheProcess.run(LatheProcess.binary, arguments + ["--draft", "space"])
            #expect(drafted.exitCode == 0 && drafted.output == plain.output)
        }
    }

    @Test("a model without a layer in between has nothing that drafts can do without")
    func skip() throws {
        try withFolder { folder in
            let plan = folder + "/x.plan"
            let outcome = try Self.compile(plan, "--draft-skip")
            #expect(outcome.exitCode == 0 && outcome.errors.contains("draft-skip: no drafts"), "\(outcome.errors)")
            let arguments = ["run", plan, "-p", "hi", "-n", "4", "--draft", "skip"]
            expectFailure(try LatheProcess.run(LatheProcess.binary, arguments), 64, naming: "drafts can do without")
        }
    }

    @Test("a file that does not fit, or is not there, is refused and leaves nothing")
    func refusals() throws {
        try withFolder { folder in
            let (masks, plan) = (folder + "/m.safetensors", folder + "/x.plan")
            try AdapterTests.write("masks.weight", shape: [2, 31], to: masks)
            expectFailure(try Self.compile(plan, "--space", masks), 65, naming: "32 columns")
            expectFailure(try Self.compile(plan, "--space", folder + "/none"), 66)
            expectFailure(try Self.compile(plan, "--mask-token", "99999"), 64, naming: "token 99999")
            expectFailure(try Self.compile(plan, "--mask-token=-1"), 64, naming: "token -1")
            #expect(!FileManager.default.fileExists(atPath: plan))
        }
    }
}
