import Foundation
import Testing

/// Every verb that reads a file, given something that is not what it wants.
@Suite("Bad files")
struct BadFileTests {
    /// Arguments of each verb with FILE and OUT standing for paths.
    static let verbs = [
        ["compile", "FILE", "-o", "OUT"], ["run", "FILE", "-p", "hi"], ["eval", "FILE", "--text", "OUT"],
        ["tokenize", "FILE", "-p", "hi"], ["inspect", "FILE"], ["verify", "FILE"], ["bench", "FILE"],
    ]

    private func run(_ verb: [String], _ file: String, in folder: String) throws -> Outcome {
        let arguments = verb.map { $0 == "FILE" ? file : $0 == "OUT" ? folder + "/out" : $0 }
        let outcome = try LatheProcess.run(LatheProcess.binary, arguments, limit: 30)
        #expect(!FileManager.default.fileExists(atPath: folder + "/out"))
        return outcome
    }

    @Test("a missing file ends with 66", arguments: verbs)
    func missing(_ verb: [String]) throws {
        try withFolder { folder in
            expectFailure(try run(verb, folder + "/none", in: folder), 66, naming: "none")
            expectFailure(try run(verb, folder + "/none/below.gguf", in: folder), 66)
            expectFailure(try run(verb, "", in: folder), 66)
        }
    }

    @Test("an empty file ends with 65", arguments: verbs)
    func empty(_ verb: [String]) throws {
        try withFolder { folder in
            try write([], to: folder + "/empty")
            try write([], to: folder + "/empty.gguf")
            expectFailure(try run(verb, folder + "/empty", in: folder), 65, naming: "empty")
            expectFailure(try run(verb, folder + "/empty.gguf", in: folder), 65)
        }
    }

    @Test("garbage ends with 65", arguments: verbs)
    func garbage(_ verb: [String]) throws {
        try withFolder { folder in
            var random = SystemRandomNumberGenerator()
            for (name, start) in [("noise", []), ("noise.gguf", Array("GGUF".utf8) + [3, 0, 0, 0])] {
                let noise = (0..<5000).map { _ in UInt8.random(in: 0...255, using: &random) }
                try write(start + noise, to: folder + "/\(name)")
                expectFailure(try run(verb, folder + "/\(name)", in: folder), 65, naming: name)
            }
            try write(Array("lathe".utf8), to: folder + "/text")
            expectFailure(try run(verb, folder + "/text", in: folder), 65)
        }
    }

    @Test("a FIFO or a device is refused without waiting", arguments: verbs)
    func special(_ verb: [String]) throws {
        try withFolder { folder in
            try #require(mkfifo(folder + "/fifo", 0o600) == 0)
            expectFailure(try run(verb, folder + "/fifo", in: folder), 65)
            expectFailure(try run(verb, "/dev/zero", in: folder), 65)
        }
    }

    @Test("an empty folder is no checkpoint", arguments: verbs)
    func folder(_ verb: [String]) throws {
        try withFolder { folder in
            try FileManager.default.createDirectory(atPath: folder + "/model", withIntermediateDirectories: true)
            let outcome = try run(verb, folder + "/model", in: folder)
            let takesCheckpoints = ["compile", "tokenize", "inspect"].contains(verb[0])
            expectFailure(outcome, takesCheckpoints ? 66 : 65)
        }
    }

    @Test("a checkpoint is no plan", arguments: verbs.filter { ["run", "eval", "verify"].contains($0[0]) })
    func checkpointAsPlan(_ verb: [String]) throws {
        try withFolder { folder in expectFailure(try run(verb, Fixtures.gguf("llama"), in: folder), 65) }
    }

    @Test("a text that is missing or a folder ends with 66, one that is too short with 65")
    func badText() throws {
        try withFolder { folder in
            let plan = folder + "/tiny.plan"
            try write(try Fixtures.planBytes(), to: plan)
            for text in [folder + "/none", folder] {
                for arguments in [
                    ["run", plan, "-f", text], ["eval", plan, "--text", text], ["tokenize", plan, "-f", text],
                ] {
                    expectFailure(try LatheProcess.run(LatheProcess.binary, arguments), 66)
                }
            }
            try write(Array("short".utf8), to: folder + "/short")
            expectFailure(try LatheProcess.run("eval", plan, "--text", folder + "/short"), 65)
            expectFailure(try LatheProcess.run("run", plan, "-p", String(repeating: "a", count: 3000)), 1)
        }
    }

    @Test("a plan is no checkpoint")
    func planAsCheckpoint() throws {
        try withFolder { folder in
            try write(try Fixtures.planBytes(), to: folder + "/tiny.plan")
            expectFailure(try run(BadFileTests.verbs[0], folder + "/tiny.plan", in: folder), 65)
        }
    }

    @Test("a plan cut anywhere, or with a bit turned, ends with 65")
    func damagedPlan() throws {
        try withFolder { folder in
            let bytes = try Fixtures.planBytes()
            let path = folder + "/cut.plan"
            for length in [1, 8, 63, 64, 100, 303, 304, 4095, 4096, bytes.count / 2, bytes.count - 1] {
                try write(Array(bytes.prefix(length)), to: path)
                for verb in [["verify", "FILE"], ["run", "FILE", "-p", "hi"], ["inspect", "FILE"]] {
                    expectFailure(try run(verb, path, in: folder), 65)
                }
            }
            for offset in stride(from: bytes.count - 1, to: bytes.count - 3000, by: -211) {
                var turned = bytes
                turned[offset] ^= 4
                try write(turned, to: path)
                expectFailure(try run(["verify", "--deep", "FILE"], path, in: folder), 65)
            }
            var later = bytes
            later[8] = 9
            try write(later, to: path)
            expectFailure(try run(["verify", "FILE"], path, in: folder), 69, naming: "major version")
        }
    }
}
