import Foundation
import Testing

@Suite("eval")
struct EvaluationTests {
    /// Some 3,000 bytes, each a token of the tiny models.
    private let text = (0..<400).map { "\($0 * $0 % 97) lamps" }.joined(separator: ", ")

    private func document(_ outcome: Outcome) throws -> [String: Any] {
        try #require(outcome.exitCode == 0, "\(outcome.errors)")
        return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
    }

    /// A folder with `text` and plans of the tiny model: `keep.plan`, and `w4.plan` whose weights are rounded.
    private func withPlans(_ body: (String) throws -> Void) throws {
        try withFolder { folder in
            try write(Array(text.utf8), to: folder + "/text")
            for precision in ["keep", "w4"] {
                let outcome = try LatheProcess.run(
                    "compile", Fixtures.gguf("llama"), "-o", "\(folder)/\(precision).plan", "--weights", precision,
                    "--quiet")
                try #require(outcome.exitCode == 0, "\(outcome.errors)")
            }
            try body(folder)
        }
    }

    private func evaluate(_ folder: String, _ arguments: String...) throws -> Outcome {
        try LatheProcess.run(
            LatheProcess.binary, ["eval", folder + "/keep.plan", "--text", folder + "/text", "-c", "64"] + arguments)
    }

    private static let perplexityKeys: Set<String> = ["perplexity", "tokens", "chunks"]
    private static let divergenceKeys: Set<String> = ["kl_mean", "kl_p99", "top1_agreement"]
    private static let greedyKeys: Set<String> = [
        "greedy_prompts", "greedy_prefix_mean", "greedy_prefix_median", "greedy_prefix_limit", "greedy_never_diverged",
    ]

    @Test("each comparison has its keys, and those of the others do not change with it")
    func keys() throws {
        try withPlans { folder in
            let alone = try document(evaluate(folder, "--json"))
            #expect(Set(alone.keys) == EvaluationTests.perplexityKeys)
            let reference = folder + "/w4.plan"
            let compared = try document(evaluate(folder, "--json", "--reference", reference))
            #expect(
                Set(compared.keys)
                    == EvaluationTests.perplexityKeys.union(EvaluationTests.divergenceKeys)
                    .union(EvaluationTests.greedyKeys))
            let without = try document(
                evaluate(folder, "--json", "--reference", reference, "--divergence-prompts", "0"))
            #expect(
                Set(without.keys) == EvaluationTests.perplexityKeys.union(EvaluationTests.divergenceKeys))
            for key in EvaluationTests.perplexityKeys.union(EvaluationTests.divergenceKeys) {
                let values = [compared, without].map { $0[key] as? Double }
                #expect(values[0] != nil && values[0] == values[1])
                if let value = alone[key] as? Double { #expect(value == values[0]) }
            }
        }
    }

    @Test("a plan never diverges from itself; the number of prompts and chunks bounds what is compared")
    func greedyTexts() throws {
        try withPlans { folder in
            for (arguments, prompts) in [
                (["--divergence-prompts", "5"], 5), (["--chunks", "3"], 3),
                (["--divergence-prompts", "999", "--chunks", "2"], 2), ([], 16),
            ] {
                let outcome = try LatheProcess.run(
                    LatheProcess.binary,
                    ["eval", folder + "/keep.plan", "--text", folder + "/text", "-c", "64", "--json"]
                        + ["--reference", folder + "/keep.plan"] + arguments)
                let document = try document(outcome)
                let limit = try #require(document["greedy_prefix_limit"] as? Int)
                #expect(document["greedy_prompts"] as? Int == prompts)
                #expect(document["greedy_never_diverged"] as? Int == prompts)
                #expect(document["greedy_prefix_mean"] as? Int == limit)
                #expect(document["greedy_prefix_median"] as? Int == limit)
                #expect(document["kl_mean"] as? Double == 0)
            }
        }
    }

    @Test("rounded weights diverge, which the text tells too")
    func otherWeights() throws {
        try withPlans { folder in
            let arguments = ["--reference", folder + "/w4.plan", "--divergence-prompts", "4"]
            let document = try document(evaluate(folder, arguments[0], arguments[1], arguments[2], "4", "--json"))
            let mean = try #require(document["greedy_prefix_mean"] as? Double)
            let limit = try #require(document["greedy_prefix_limit"] as? Double)
            #expect(mean < limit && mean >= 0)
            let outcome = try evaluate(folder, arguments[0], arguments[1], arguments[2], "4")
            #expect(outcome.exitCode == 0 && outcome.errors.isEmpty)
            #expect(outcome.text.split(separator: "\n").count == 3)
            #expect(outcome.text.contains("greedy texts equal the reference's for"))
        }
    }

    @Test("a text of any bytes is scored; an empty one and one shorter than a chunk end with 65")
    func texts() throws {
        try withPlans { folder in
            try write((0..<300).map { UInt8(truncatingIfNeeded: $0 &* 131 | 0x80) }, to: folder + "/text")
            #expect(try document(evaluate(folder, "--json"))["chunks"] as? Int ?? 0 > 0)
            for bytes in [[], [0x61], Array(repeating: 0x61, count: 30)] as [[UInt8]] {
                try write(bytes, to: folder + "/text")
                expectFailure(try evaluate(folder), 65, naming: "fewer than one chunk of 64")
            }
        }
    }

    @Test("a chunk longer than the context, a missing reference and one of another vocabulary are refused")
    func refusals() throws {
        try withPlans { folder in
            try write(Array(String(repeating: text, count: 40).utf8), to: folder + "/long")
            expectFailure(
                try LatheProcess.run(
                    "eval", folder + "/keep.plan", "--text", folder + "/long", "-c", "100000"), 64,
                naming: "longer than the model's context")
            expectFailure(try evaluate(folder, "--reference", folder + "/none"), 66, naming: "none")
            expectFailure(try evaluate(folder, "--reference", folder + "/text"), 65, naming: "text")
            let other = folder + "/other.plan"
            try Fixtures.copyFolder("llama", to: folder + "/model")
            try changeTensors(of: folder + "/model/model.safetensors") { tensor in
                guard tensor.shape.first == 275 else { return }
                tensor.data += tensor.data.prefix(tensor.data.count / 275)
                tensor.shape[0] = 276
            }
            var config = String(
                decoding: try Data(contentsOf: URL(filePath: folder + "/model/config.json")), as: UTF8.self)
            config.replace("\"vocab_size\": 275", with: "\"vocab_size\": 276")
            try write(Array(config.utf8), to: folder + "/model/config.json")
            let compiled = try LatheProcess.run("compile", folder + "/model", "-o", other, "--quiet")
            try #require(compiled.exitCode == 0, "\(compiled.errors)")
            expectFailure(
                try evaluate(folder, "--reference", other), 65, naming: "a vocabulary of 276 tokens, the plan has 275")
        }
    }

    @Test("logits that overflow are told as a failure, not as a number")
    func overflow() throws {
        try withPlans { folder in
            try Fixtures.copyFolder("llama", to: folder + "/model")
            try changeTensors(of: folder + "/model/model.safetensors") { tensor in
                guard tensor.name == "model.norm.weight" else { return }
                // The largest float32.
                tensor.data = Data((0..<tensor.data.count / 4).flatMap { _ in [0xFF, 0xFF, 0x7F, 0x7F] as [UInt8] })
            }
            let plan = folder + "/huge.plan"
            let compiled = try LatheProcess.run("compile", folder + "/model", "-o", plan, "--weights", "f32", "--quiet")
            try #require(compiled.exitCode == 0, "\(compiled.errors)")
            let sound = folder + "/keep.plan"
            for arguments in [
                [plan], [plan, "--json"], [plan, "--json", "--reference", sound],
                [sound, "--json", "--reference", plan],
            ] {
                let outcome = try LatheProcess.run(
                    LatheProcess.binary,
                    ["eval", "--text", folder + "/text", "-c", "64", "--chunks", "2"] + arguments)
                expectFailure(outcome, 1, naming: "huge.plan", "infinite or NaN")
            }
        }
    }

    private struct Tensor {
        let name: String
        let type: String
        var shape: [Int]
        var data: Data
    }

    /// Writes a safetensors file anew, every tensor changed by `change` before.
    private func changeTensors(of path: String, _ change: (inout Tensor) -> Void) throws {
        let file = try Data(contentsOf: URL(filePath: path))
        let start = 8 + Int(file.prefix(8).withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) })
        let header = try JSONSerialization.jsonObject(with: file[8..<start]) as? [String: [String: Any]]
        var (changed, data) = ([String: Any](), Data())
        for (name, entry) in try #require(header).sorted(by: { $0.key < $1.key }) where name != "__metadata__" {
            let offsets = try #require(entry["data_offsets"] as? [Int])
            var tensor = Tensor(
                name: name, type: try #require(entry["dtype"] as? String),
                shape: try #require(entry["shape"] as? [Int]),
                data: file[start + offsets[0]..<start + offsets[1]])
            change(&tensor)
            let place = [data.count, data.count + tensor.data.count]
            changed[name] = ["dtype": tensor.type, "shape": tensor.shape, "data_offsets": place]
            data += tensor.data
        }
        let text = try JSONSerialization.data(withJSONObject: changed)
        let length = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) }
        try (length + text + data).write(to: URL(filePath: path))
    }
}
