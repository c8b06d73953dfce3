import ArgumentParser
import Compiler
import Foundation
import Runtime

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measures prefill and decoding, as llama-bench does, and how near they come to the machine's limit.")

    @Argument(help: "A plan.")
    var plan: String

    @Option(name: [.customShort("p"), .customLong("n-prompt")], help: "Prompt tokens of the prefill test; 0 for none.")
    var promptLength: Int = 512

    @Option(name: [.customShort("n"), .customLong("n-gen")], help: "Tokens of the decoding test; 0 for none.")
    var generatedLength: Int = 128

    @Option(name: [.customShort("d"), .customLong("n-depth")], help: "Tokens already in the context.")
    var depth: Int = 0

    @Option(name: [.customShort("r"), .long], help: "Repetitions.")
    var repetitions: Int = 5

    @OptionGroup var engine: EngineOptions
    @OptionGroup var cache: CacheOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard promptLength >= 0, generatedLength >= 0, depth >= 0 else {
            throw ValidationError("-p, -n and -d take 0 or more.")
        }
        guard repetitions >= 1 else { throw ValidationError("-r takes 1 or more.") }
    }

    func run() throws {
        try reportingFailures {
            let loaded = try LoadedPlan(path: plan, options: engine)
            let needed = depth + max(promptLength, generatedLength)
            guard needed <= loaded.plan.program.contextLength else {
                throw Failure(
                    cause: "the tests need \(needed) positions, the model has \(loaded.plan.program.contextLength)",
                    remedy: "choose smaller -p, -n or -d", exitCode: 64)
            }
            let roofline = Roofline(program: loaded.plan.program, probe: try MachineProbe(loaded.engine))
            let session = try loaded.engine.makeSession(contextLength: needed, cache: cache.kvCache?.element)
            var results: [BenchResult] = []
            if promptLength > 0 {
                let test = BenchTest(kind: .prefill(promptLength), depth: depth)
                results.append(try test.run(session, repetitions: repetitions, roofline: roofline))
            }
            if generatedLength > 0 {
                let test = BenchTest(kind: .decode(generatedLength), depth: depth)
                results.append(try test.run(session, repetitions: repetitions, roofline: roofline))
            }
            if output.json {
                try Terminal.json(results.map(\.json))
            } else {
                Terminal.product(table(results, loaded: loaded, roofline: roofline))
            }
        }
    }

    /// A Markdown table in llama-bench's shape, with the share of the machine's limit behind it.
    private func table(_ results: [BenchResult], loaded: LoadedPlan, roofline: Roofline) -> String {
        let name = URL(filePath: plan).deletingPathExtension().lastPathComponent
        let size = "\((Double(loaded.plan.fileSize) / 1_048_576).formatted(digits: 2)) MiB"
        var lines = [
            "| model | size | backend | threads | test | t/s | of the limit |",
            "| --- | ---: | --- | ---: | --- | ---: | ---: |",
        ]
        for result in results {
            lines.append(
                "| \(name) | \(size) | \(loaded.engine.instructionSet.name) | \(loaded.engine.threadCount) "
                    + "| \(result.name) | \(result.mean.formatted(digits: 2)) ± "
                    + "\(result.deviation.formatted(digits: 2)) | \((result.rooflineFraction * 100).formatted(digits: 1)) % |"
            )
        }
        lines.append("")
        lines.append(
            "limit: \((roofline.probe.readBandwidth / 1e9).formatted(digits: 1)) GB/s read, "
                + "\((roofline.probe.int8Rate / 1e9).formatted(digits: 0)) int8 and "
                + "\((roofline.probe.float32Rate / 1e9).formatted(digits: 0)) float32 GMAC/s, measured just now")
        return lines.joined(separator: "\n") + "\n"
    }
}
