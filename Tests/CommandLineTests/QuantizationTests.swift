import Foundation
import Plans
import Testing

@Suite("compile to a size")
struct QuantizationTests {
    /// Compiles the tiny model with some flags.
    private func compile(_ folder: String, _ arguments: String..., source: String? = nil) throws -> Outcome {
        try LatheProcess.run(
            LatheProcess.binary,
            ["compile", source ?? Fixtures.gguf("llama"), "-o", folder + "/tiny.plan", "--json"] + arguments)
    }

    private func document(_ outcome: Outcome) throws -> [String: Any] {
        try #require(outcome.exitCode == 0, "\(outcome.errors)")
        return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output)) as? [String: Any])
    }

    private func bytes(_ folder: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(filePath: folder + "/tiny.plan")))
    }

    /// The smallest size that the tiny model can be compiled to, as the refusal of a smaller one tells it.
    private func smallest(_ folder: String) throws -> Int {
        let outcome = try compile(folder, "--target-size", "1kB")
        expectFailure(outcome, 64, naming: "with 2 bits everywhere it takes")
        let number = try #require(outcome.errors.firstMatch(of: /it takes ([0-9]+)/)?.1)
        return try #require(Int(number))
    }

    @Test("a plan as small as can be, larger ones to the byte, and the same bytes each time")
    func sizes() throws {
        try withFolder { folder in
            let smallest = try smallest(folder)
            var sizes: [Int] = []
            // A plan's facts name its target, so a longer number may take some bytes more.
            for target in [smallest + 32, smallest + 1500, smallest + 4000] {
                let report = try document(compile(folder, "--target-size", "\(target)"))
                let size = try #require(report["plan_bytes"] as? Int)
                let plan = try bytes(folder)
                #expect(size == plan.count && size <= target)
                sizes.append(size)
                #expect(try document(compile(folder, "--target-size", "\(target)"))["plan_bytes"] as? Int == size)
                #expect(try bytes(folder) == plan)
                let verified = try LatheProcess.run("verify", folder + "/tiny.plan", "--deep")
                #expect(verified.exitCode == 0, "\(verified.errors)")
                let run = try LatheProcess.run("run", folder + "/tiny.plan", "-p", "a", "-n", "4", "--quiet")
                #expect(run.exitCode == 0, "\(run.errors)")
            }
            #expect(sizes[0] < smallest + 32 && sizes[0] < sizes[1] && sizes[1] < sizes[2])
        }
    }

    @Test("more bytes and rounding with feedback are nearer to the checkpoint")
    func quality() throws {
        try withFolder { folder in
            let text = folder + "/text"
            var letters: [UInt8] = []
            for index in 0..<6000 { letters.append(UInt8(32 + (index * index + index / 7) % 90)) }
            try write(letters, to: text)
            _ = try document(compile(folder, "--weights", "f32"))
            try FileManager.default.moveItem(atPath: folder + "/tiny.plan", toPath: folder + "/whole.plan")
            let smallest = try smallest(folder)
            func divergence(_ arguments: String...) throws -> Double {
                let compiled = try LatheProcess.run(
                    LatheProcess.binary,
                    ["compile", Fixtures.gguf("llama"), "-o", folder + "/tiny.plan", "--calibration", text, "--quiet"]
                        + arguments)
                #expect(compiled.exitCode == 0, "\(compiled.errors)")
                let outcome = try LatheProcess.run(
                    "eval", folder + "/tiny.plan", "--text", text, "-c", "64", "--reference", folder + "/whole.plan",
                    "--divergence-prompts", "0", "--json")
                return try #require(try document(outcome)["kl_mean"] as? Double)
            }
            let coarse = try divergence("--target-size", "\(smallest + 1000)")
            let nearest = try divergence("--target-size", "\(smallest + 1000)", "--rounding", "nearest")
            let fine = try divergence("--target-size", "\(smallest + 6000)")
            #expect(fine < coarse / 2)
            #expect(coarse < nearest)
        }
    }

    @Test("calibration text that is no good is refused before anything is measured")
    func badText() throws {
        try withFolder { folder in
            let text = folder + "/text"
            func refused(_ bytes: [UInt8], naming name: String) throws {
                try write(bytes, to: text)
                expectFailure(try compile(folder, "--target-bpw", "40", "--calibration", text), 65, naming: name)
                #expect(!FileManager.default.fileExists(atPath: folder + "/tiny.plan"))
            }
            try refused([], naming: "empty")
            try refused(Array("lamps \u{E9}".utf8) + [0xC3], naming: "not UTF-8 from byte 8 on")
            try refused(Array("a few words".utf8), naming: "are needed")
            expectFailure(
                try compile(folder, "--target-bpw", "40", "--calibration", folder + "/missing"), 66,
                naming: "cannot be read")
        }
    }

    @Test("a report as a page and as JSON has every matrix and what was measured")
    func report() throws {
        try withFolder { folder in
            let (page, facts) = (folder + "/report.html", folder + "/report.json")
            let size = try smallest(folder) + 2000
            let printed = try document(
                compile(folder, "--target-size", "\(size)", "--report", page, "--report", facts))
            let html = try String(contentsOf: URL(filePath: page), encoding: .utf8)
            let data = try Data(contentsOf: URL(filePath: facts))
            let document = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
            let report = try #require(document["quantization"] as? [String: Any])
            #expect(document["sharing"] is NSNull)
            #expect(report["plan_bytes"] as? Int == printed["plan_bytes"] as? Int)
            let matrices = try #require(report["matrices"] as? [[String: Any]])
            let plan = try Plan.open(path: folder + "/tiny.plan")
            let packed = plan.program.tensors.filter { tensor in
                if case .matrix = tensor.layout { true } else { false }
            }
            #expect(
                matrices.compactMap { $0["name"] as? String } == packed.map { String(decoding: $0.name, as: UTF8.self) }
            )
            #expect(matrices.compactMap { $0["bytes"] as? Int } == packed.compactMap(\.byteCount))
            for matrix in matrices {
                let (error, nearest) = (matrix["error"] as? Double, matrix["nearest_error"] as? Double)
                #expect(try #require(error) < #require(nearest))
                #expect(html.contains(try #require(matrix["name"] as? String)))
            }
            // The embedding in three pieces, and columns made alike where that lowers an error.
            #expect(
                matrices.prefix(4).compactMap { $0["name"] as? String } == [
                    "token_embd.weight.0", "token_embd.weight.1", "token_embd.weight.2", "layers.0.attention.projected",
                ])
            var equalized = 0
            for matrix in matrices {
                let exponent = try #require(matrix["equalization"] as? Double)
                let ratio = try #require(matrix["equalization_error_ratio"] as? Double)
                #expect(exponent == 0 ? ratio == 1 : [0.5, 1].contains(exponent) && ratio < 1)
                if exponent > 0 { equalized += 1 }
            }
            let passes = try #require(printed["passes"] as? [String])
            #expect(equalized > 0 && passes.contains("equalize: columns of \(equalized) matrices made alike"))
            let measured = try #require(report["held_out"] as? [String: Any])
            let (found, whole) = (measured["perplexity"] as? Double, measured["reference_perplexity"] as? Double)
            #expect(try abs(#require(found) / #require(whole) - 1) < 0.5)
            #expect(try #require(measured["kl_mean"] as? Double) > 0)
            expectFailure(
                try compile(folder, "--target-size", "\(size)", "--report", "/nowhere/report.html"), 73,
                naming: "/nowhere/report.html")
        }
    }

    @Test(
        "weights that are not finite are refused by name before anything is measured",
        arguments: [(84_800, "layers.1.attention.projected"), (78_400, "blk.0.attn_norm"), (115_776, "output_norm")])
    func notFinite(offset: Int, tensor: String) throws {
        try withFolder { folder in
            var bytes = try Fixtures.ggufBytes()
            bytes.setNumber(Float.infinity.bitPattern, at: offset)
            try write(bytes, to: folder + "/bad.gguf")
            expectFailure(
                try compile(folder, "--target-size", "1GB", source: folder + "/bad.gguf"), 65, naming: tensor)
            expectFailure(
                try compile(folder, "--share-attention", "1", source: folder + "/bad.gguf"), 65, naming: tensor)
            expectFailure(
                try LatheProcess.run("inspect", folder + "/bad.gguf", "--attention-similarity"), 65, naming: tensor)
        }
    }

    @Test(
        "flags that contradict each other, or numbers that are none, are usage errors",
        arguments: [
            ["--target-bpw", "4", "--target-size", "1MB"], ["--target-bpw", "0"], ["--target-bpw", "nan"],
            ["--target-bpw", "-3"], ["--target-size", "0"], ["--target-size", "MB"], ["--target-size", "1e99GB"],
            ["--calibration", "x"], ["--rounding", "nearest"], ["--weights", "w4", "--target-bpw", "4"],
            ["--rounding", "best", "--target-bpw", "4"],
        ])
    func usage(_ flags: [String]) throws {
        let outcome = try LatheProcess.run(
            LatheProcess.binary, ["compile", Fixtures.gguf("llama"), "-o", "/nowhere/x.plan"] + flags)
        #expect(outcome.exitCode == 64, "\(outcome.errors)")
    }
}
