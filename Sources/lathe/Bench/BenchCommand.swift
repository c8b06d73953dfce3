import ArgumentParser
import Compiler
import Foundation
import Plans
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

    @Option(
        help: """
            Also steps of so many rows, numbers with commas (4,8): how drafted tokens are verified, and how long that takes \
            beside a step of one row.
            """)
    var rows: RowCounts?

    @Flag(help: "With --rows: the rows are a binary tree of drafts, not one draft that goes on.")
    var tree = false

    @Flag(help: "Positions may lie past the context that the model was made for: to time a long one.")
    var pastContext = false

    @Option(name: [.customShort("r"), .long], help: "Repetitions.")
    var repetitions: Int = 5

    @OptionGroup var engine: EngineOptions
    @OptionGroup var cache: CacheOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard promptLength >= 0, generatedLength >= 0, depth >= 0 else {
            throw ValidationError("-p, -n and -d take 0 or more.")
        }
        guard rows != nil || !tree else { throw ValidationError("--tree says what shape --rows have.") }
        guard repetitions >= 1 else { throw ValidationError("-r takes 1 or more.") }
    }

    func run() throws {
        try reportingFailures {
            let loaded = try LoadedPlan(path: plan, options: engine)
            let program = loaded.plan.program
            let rowCounts = rows?.counts ?? []
            let needed = depth + rowCounts.reduce(max(promptLength, generatedLength), max)
            let positions = pastContext ? Limits.standard.contextLength : program.contextLength
            guard needed <= positions else {
                throw Failure(
                    cause: "the tests need \(needed) positions, the model has \(positions)",
                    remedy: "choose smaller -p, -n, -d or --rows", exitCode: 64)
            }
            if let count = rowCounts.first(where: { $0 > program.maximumRows }) {
                throw Failure(
                    cause: "--rows \(count): the plan has steps of at most \(program.maximumRows) rows",
                    remedy: "choose fewer rows", exitCode: 64)
            }
            let session = try loaded.engine.makeSession(
                contextLength: needed, cache: cache.kvCache?.element, pastContext: pastContext)
            let roofline = Roofline(
                session: session, cache: cache.kvCache?.element, probe: try MachineProbe(loaded.engine))
            var kinds: [BenchTest.Kind] = []
            if promptLength > 0 { kinds.append(.prefill(promptLength)) }
            if generatedLength > 0 { kinds.append(.decode(generatedLength)) }
            if !rowCounts.isEmpty { kinds.append(.verify(rowCounts, isTree: tree)) }
            let results = try kinds.flatMap {
                try BenchTest(kind: $0, depth: depth).run(session, repetitions: repetitions, roofline: roofline)
            }
            if output.json {
                Terminal.json(.array(results.map(\.json)))
            } else {
                Terminal.product(table(results, loaded: loaded, roofline: roofline))
            }
        }
    }

    /// A Markdown table in llama-bench's shape, with the share of the machine's limit behind it.
    private func table(_ results: [BenchResult], loaded: LoadedPlan, roofline: Roofline) -> String {
        let name = URL(filePath: plan).deletingPathExtension().lastPathComponent
        let size = "\((Double(loaded.plan.fileSize) / 1_048_576).formatted(digits: 2)) MiB"
        var columns = [
            ("model", "---"), ("size", "---:"), ("backend", "---"), ("threads", "---:"), ("test", "---"),
            ("t/s", "---:"), ("of the limit", "---:"),
        ]
        if rows != nil { columns.append(("time of 1 row", "---:")) }
        var lines = [line(columns.map(\.0)), line(columns.map(\.1))]
        for result in results {
            var cells: [String] = [
                name, size, "\(loaded.engine.instructionSet.name)", "\(loaded.engine.threadCount)", result.name,
                "\(result.mean.formatted(digits: 2)) ± \(result.deviation.formatted(digits: 2))",
                "\((result.rooflineFraction * 100).formatted(digits: 1)) %",
            ]
            if rows != nil { cells.append(result.timesOneRow.map { "\($0.formatted(digits: 2)) x" } ?? "") }
            lines.append(line(cells))
        }
        lines.append("")
        lines.append(
            "limit: \((roofline.probe.readBandwidth / 1e9).formatted(digits: 1)) GB/s read, "
                + "\((roofline.probe.int8Rate / 1e9).formatted(digits: 0)) int8 and "
                + "\((roofline.probe.float32Rate / 1e9).formatted(digits: 0)) float32 GMAC/s, measured just now")
        return lines.joined(separator: "\n") + "\n"
    }

    private func line(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |" }
}
