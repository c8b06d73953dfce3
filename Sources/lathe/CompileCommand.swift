import ArgumentParser
import Checkpoints
import Compiler
import Foundation
import Lowering

extension WeightPrecision: ExpressibleByArgument {}

struct CompileCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "compile", abstract: "Turns a checkpoint into a plan.")

    @Argument(help: "A GGUF file, a safetensors file, or a Hugging Face directory.")
    var source: String

    @Option(name: [.customShort("o"), .customLong("output")], help: "The plan to write.")
    var plan: String

    @Option(
        help: "keep (no weight changes its value; the default), bf16, f32, or so many bits: w8, w6, w5, w4, w3, w2.")
    var weights: WeightPrecision?

    @Option(help: ArgumentHelp("Changes of the checkpoint's matrices, in safetensors.", valueName: "file"))
    var adapter: String?

    @Option(
        help: ArgumentHelp(
            "Masks that drafting asks, for the model as it is, in safetensors; tokens keep their bits.",
            valueName: "file"))
    var space: String?

    @Option(
        help: ArgumentHelp(
            "The token that the model was trained with for unknown ones (SPACE): drafting asks what it names there.",
            valueName: "id"))
    var maskToken: Int?

    @Flag(help: "Find out what drafts can do without: minutes, on calibration text.")
    var draftSkip = false

    @OptionGroup var sharing: SharingArguments

    @OptionGroup var linearization: LinearizationArguments

    @OptionGroup var budget: LayerBudget

    @OptionGroup var quantization: QuantizationArguments

    @OptionGroup var calibration: CalibrationArguments

    @OptionGroup var output: OutputOptions

    func validate() throws {
        let (quantized, shared) = (try quantization.options() != nil, try sharing.options(budget) != nil)
        let linearized = try linearization.options(budget) != nil
        if quantized, weights != nil { throw ValidationError("--weights and a target exclude each other.") }
        if adapter != nil, shared {
            throw ValidationError("--adapter and --share-attention exclude each other: an adapter says what is shared.")
        }
        if space != nil, maskToken != nil { throw ValidationError("--space and --mask-token exclude each other.") }
        let searches = [sharing.shareAttention, linearization.linearize].count {
            if case .auto = $0 { true } else { false }
        }
        if budget.budgetKl != nil, searches != 1 {
            throw ValidationError("--budget-kl goes with one auto: of --share-attention or of --linearize.")
        }
        if calibration.isUsed, !quantized, !shared, !linearized, adapter == nil, !draftSkip {
            throw ValidationError(
                "--calibration and --report go with --target-bpw, --target-size, --share-attention, --linearize, "
                    + "--draft-skip or --adapter.")
        }
    }

    func run() throws {
        try reportingFailures {
            // Minutes later would be late to hear it.
            for path in calibration.report { try TextFile.checkWritable(path) }
            var bar = ProgressBar(quiet: output.quiet || output.json)
            Interruption.endsProcess()
            let compilation = Compilation(
                source: source, destination: plan,
                options: CompileOptions(
                    precision: weights ?? .keep, quantization: try quantization.options(),
                    adapter: adapter, sharing: try sharing.options(budget),
                    linearization: try linearization.options(budget),
                    masks: space.map(MaskOptions.file) ?? maskToken.map(MaskOptions.token),
                    findsSkips: draftSkip,
                    calibration: calibration.calibration))
            let report: CompileReport
            do {
                defer { bar.finish() }
                report = try compilation.run { bar.show($0, $1) }
            }
            for path in calibration.report {
                let text =
                    path.hasSuffix(".json")
                    ? String(decoding: report.json.encoded(), as: UTF8.self) + "\n" : report.html
                try TextFile.write(text, to: path)
            }
            if output.json {
                var members: [(key: String, value: JSON)] = [
                    ("plan_bytes", .count(report.planBytes)), ("seconds", .number(report.seconds)),
                    ("peak_rss_bytes", .count(report.peakMemoryBytes)),
                    ("bits_per_weight", .number(report.bitsPerWeight)),
                    ("passes", .array(report.passes.map(JSON.string))),
                ]
                for (key, measurement) in [
                    ("shared_held_out", report.sharing?.measurement),
                    ("linearized_held_out", report.linearization?.measurement),
                    ("held_out", report.quantization?.measurement),
                ] {
                    if let measurement { members.append((key, measurement.json)) }
                }
                Terminal.json(.members(members))
            } else if !output.quiet {
                for pass in report.passes { Terminal.error(pass) }
                Terminal.error(
                    "\(plan): \(report.planBytes) bytes, \(report.bitsPerWeight.formatted(digits: 2)) bits a weight, "
                        + "in \(report.seconds.formatted(digits: 2)) s and "
                        + "\(report.peakMemoryBytes / 1_000_000) MB of memory")
            }
        }
    }
}

extension Double {
    /// The number with a fixed count of decimals.
    func formatted(digits: Int) -> String { String(format: "%.\(digits)f", self) }
}
