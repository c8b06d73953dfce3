import ArgumentParser
import Checkpoints
import Compiler
import Foundation
import Plans
import Tokenization

struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "What a plan or a checkpoint holds, readable.")

    @Argument(help: "A plan, a GGUF file, a safetensors file, or a Hugging Face directory.")
    var file: String

    @Option(help: "Draw a plan's program and memory, or attention similarity, into this SVG file.")
    var graph: String?

    @Flag(help: "How alike the attention weights of a checkpoint's layers are, measured on text.")
    var attentionSimilarity = false

    @Option(help: ArgumentHelp("Plain text to measure with; built-in text when left out.", valueName: "file"))
    var calibration: String?

    @Flag(help: "List every tensor instead of folding equal layers.")
    var tensors = false

    @OptionGroup var output: OutputOptions

    func validate() throws {
        if calibration != nil, !attentionSimilarity {
            throw ValidationError("--calibration goes with --attention-similarity.")
        }
    }

    func run() throws {
        try reportingFailures {
            if attentionSimilarity { return try showSimilarity() }
            switch FileKind(path: file) {
            case .plan:
                let plan = try Plan.open(path: file)
                let tokenizer = plan.tokenizer.isEmpty ? nil : try Tokenizer(section: plan.tokenizer)
                let description = try PlanDescription(plan, tokenizer: tokenizer, path: file)
                if let graph { try TextFile.write(PlanGraph(description).svg(), to: graph) }
                try show(json: description.json, text: description.text(listsTensors: tensors))
            case .checkpoint:
                let description = CheckpointDescription(try Checkpoint.open(file))
                guard graph == nil else {
                    throw Failure(
                        cause: "\(file): a checkpoint has no program to draw",
                        remedy: "compile it, and draw the plan", exitCode: 64)
                }
                try show(json: description.json, text: description.text(listsTensors: tensors))
            }
        }
    }

    private func showSimilarity() throws {
        guard case .checkpoint = FileKind(path: file) else {
            throw Failure(
                cause: "\(file): the attention of a plan is not compared", remedy: "name its checkpoint", exitCode: 64)
        }
        if let graph { try TextFile.checkWritable(graph) }
        Interruption.endsProcess()
        var bar = ProgressBar(quiet: output.quiet || output.json)
        let report: SimilarityReport
        do {
            defer { bar.finish() }
            report = try SimilarityReport(source: file, calibration: calibration) { bar.show($0, $1) }
        }
        if let graph { try TextFile.write(report.svg, to: graph) }
        try show(json: report.json, text: report.text)
    }

    private func show(json: @autoclosure () -> JSON, text: @autoclosure () -> [String]) throws {
        if output.json {
            Terminal.json(json())
        } else {
            Terminal.product(text().joined(separator: "\n") + "\n")
        }
    }
}
