import Foundation
import Testing

@Suite("Products")
struct ProductTests {
    private func keys(_ outcome: Outcome) throws -> Set<String> {
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        let object = try JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any]
        return Set(try #require(object).keys)
    }

    @Test(
        "the same checkpoint gives the same plan", arguments: ["llama", "qwen2", "qwen3", "quantized", "llama_linear"])
    func deterministic(_ family: String) throws {
        try withFolder { folder in
            var plans: [Data] = []
            for name in ["a.plan", "b.plan"] {
                let path = folder + "/" + name
                let outcome = try LatheProcess.run("compile", Fixtures.gguf(family), "-o", path, "--quiet")
                #expect(outcome.exitCode == 0, "\(outcome.errors)")
                #expect(outcome.output.isEmpty && outcome.errors.isEmpty)
                plans.append(try Data(contentsOf: URL(filePath: path)))
            }
            #expect(plans[0] == plans[1])
        }
    }

    @Test("compile tells its results under the keys that stay, and nothing else goes to stdout")
    func compileKeys() throws {
        try withFolder { folder in
            let plan = folder + "/tiny.plan"
            let json = try LatheProcess.run("compile", Fixtures.gguf("llama"), "-o", plan, "--json")
            #expect(
                try keys(json).isSuperset(of: ["plan_bytes", "seconds", "peak_rss_bytes", "bits_per_weight", "passes"]))
            #expect(try LatheProcess.run("compile", Fixtures.gguf("llama"), "-o", plan).output.isEmpty)
        }
    }

    @Test("a plan and its checkpoint give the same ids, for any bytes")
    func tokenize() throws {
        try withFolder { folder in
            let plan = folder + "/tiny.plan"
            try write(try Fixtures.planBytes(), to: plan)
            for (index, text) in [Array("hi there".utf8), [0xFF, 0xFE, 0, 0x61], []].enumerated() {
                let file = folder + "/text\(index)"
                try write(text, to: file)
                let ids = try LatheProcess.run("tokenize", plan, "-f", file)
                #expect(ids.exitCode == 0 && ids.errors.isEmpty, "\(ids.errors)")
                #expect(try LatheProcess.run("tokenize", Fixtures.gguf("llama"), "-f", file).output == ids.output)
                #expect(
                    try keys(try LatheProcess.run("tokenize", plan, "-f", file, "--json")) == ["ids", "pieces"])
            }
        }
    }

    @Test("run gives the same text each time and nothing else on stdout")
    func run() throws {
        try withFolder { folder in
            let plan = folder + "/tiny.plan"
            try write(try Fixtures.planBytes(), to: plan)
            let arguments = ["run", plan, "-p", "hi", "-n", "8", "--seed", "7"]
            let first = try LatheProcess.run(LatheProcess.binary, arguments)
            let second = try LatheProcess.run(LatheProcess.binary, arguments + ["--quiet", "-t", "1"])
            #expect(first.exitCode == 0 && !first.errors.isEmpty)
            #expect(second.exitCode == 0 && second.errors.isEmpty)
            #expect(first.output == second.output)
            let json = try LatheProcess.run(LatheProcess.binary, arguments + ["--json"])
            #expect(
                try keys(json) == [
                    "text", "tokens", "prompt_tokens", "load_seconds", "prefill_tokens_per_second",
                    "decode_tokens_per_second", "tokens_per_step", "peak_rss_bytes",
                ])
        }
    }

    @Test("drafting changes nothing but the statistics", arguments: ["auto", "lookup", "recycle", "space"])
    func draft(_ kind: String) throws {
        try withFolder { folder in
            let plan = folder + "/tiny.plan"
            try write(try Fixtures.planBytes(), to: plan)
            for sampling in [[], ["--temp", "1", "--seed", "3"]] {
                let arguments = ["run", plan, "-p", "hi", "-n", "24", "--ignore-eos", "--digest"] + sampling
                let plain = try LatheProcess.run(LatheProcess.binary, arguments)
                let drafted = try LatheProcess.run(LatheProcess.binary, arguments + ["--draft", kind])
                #expect(plain.exitCode == 0 && drafted.exitCode == 0, "\(drafted.errors)")
                #expect(drafted.output == plain.output)
                let line = try #require(drafted.errors.split(separator: "\n").first { $0.hasPrefix("logits") })
                #expect(plain.errors.contains(line))
                #expect(drafted.errors.contains("tokens a step") && !plain.errors.contains("tokens a step"))
                let json = try LatheProcess.run(LatheProcess.binary, arguments + ["--draft", kind, "--json"])
                let object = try JSONSerialization.jsonObject(with: Data(json.output)) as? [String: Any]
                let draft = try #require(object?["draft"] as? [String: Any])
                #expect(
                    Set(draft.keys) == [
                        "steps", "drafted_tokens", "accepted_tokens", "mask_rows", "positions", "draft_seconds",
                        "verify_seconds",
                    ])
                let steps = try #require(draft["steps"] as? Int)
                let accepted = try #require(draft["accepted_tokens"] as? Int)
                // The first token comes with the prompt.
                #expect(steps + accepted == 23)
                #expect(object?["tokens_per_step"] as? Double ?? 0 >= 1)
            }
        }
    }

    @Test("verify tells ok and the digest that inspect shows")
    func verify() throws {
        try withFolder { folder in
            let plan = folder + "/tiny.plan"
            try write(try Fixtures.planBytes(), to: plan)
            for arguments in [["verify", plan], ["verify", plan, "--deep"]] {
                let json = try LatheProcess.run(LatheProcess.binary, arguments + ["--json"])
                #expect(try keys(json).isSuperset(of: ["ok", "digest"]))
                let text = try LatheProcess.run(LatheProcess.binary, arguments)
                #expect(text.exitCode == 0 && text.errors.isEmpty)
                let digest = try #require(text.text.split(separator: " ").last).dropLast()
                #expect(digest.count == 16)
                #expect(try LatheProcess.run("inspect", plan).text.contains("digest \(digest)"))
            }
        }
    }

    @Test("inspect tells everything about a plan and a checkpoint, the same each time")
    func inspect() throws {
        try withFolder { folder in
            let plan = folder + "/tiny.plan"
            try write(try Fixtures.planBytes(), to: plan)
            let expected: [(String, Set<String>)] = [
                (
                    plan,
                    [
                        "digest", "sections", "facts", "tensors", "buffers", "states", "body", "head", "arena_bytes",
                        "bits_per_weight", "context_length", "vocabulary_size", "state_bytes_per_position",
                        "end_of_generation_ids",
                    ]
                ),
                (Fixtures.gguf("llama"), ["format", "model", "metadata", "tensors", "bytes"]),
                (Fixtures.folder("qwen2"), ["format", "model", "metadata", "tensors", "bytes"]),
            ]
            for (path, wanted) in expected {
                let json = try LatheProcess.run("inspect", path, "--json")
                #expect(try keys(json).isSuperset(of: wanted), "\(path)")
                #expect(json.errors.isEmpty)
                for flags in [["--json"], [], ["--tensors"]] {
                    let arguments = ["inspect", path] + flags
                    let (first, second) = (
                        try LatheProcess.run(LatheProcess.binary, arguments),
                        try LatheProcess.run(LatheProcess.binary, arguments)
                    )
                    #expect(first.exitCode == 0 && first.errors.isEmpty && !first.output.isEmpty)
                    #expect(first.output == second.output)
                }
            }
        }
    }

    @Test("a model that cannot be compiled can be inspected, and the reason is there")
    func inspectRefused() throws {
        try withFolder { folder in
            var bytes = try Fixtures.ggufBytes()
            try bytes.replace("blk.1.attn_q.weight", with: "blk.1.att\n<&.weight")
            try write(bytes, to: folder + "/odd.gguf")
            let text = try LatheProcess.run("inspect", folder + "/odd.gguf")
            #expect(text.exitCode == 0)
            #expect(text.text.contains("cannot be compiled: tensor \"blk.1.attn_q.weight\" is missing"))
            #expect(text.text.contains("att\\u{a}<&"))
            #expect(try keys(try LatheProcess.run("inspect", folder + "/odd.gguf", "--json")).contains("refusal"))
        }
    }

    @Test("a graph is written beside the text, the same each time")
    func graph() throws {
        try withFolder { folder in
            let plan = folder + "/tiny.plan"
            try write(try Fixtures.planBytes(), to: plan)
            var graphs: [Data] = []
            for name in ["a.svg", "b.svg"] {
                let outcome = try LatheProcess.run("inspect", plan, "--graph", folder + "/" + name)
                #expect(outcome.exitCode == 0, "\(outcome.errors)")
                graphs.append(try Data(contentsOf: URL(filePath: folder + "/" + name)))
            }
            #expect(graphs[0] == graphs[1])
            #expect(graphs[0].starts(with: Data("<?xml".utf8)))
        }
    }
}
