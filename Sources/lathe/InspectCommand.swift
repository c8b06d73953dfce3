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

    @Option(help: "Draw a plan's program and memory into this SVG file.")
    var graph: String?

    @Flag(help: "List every tensor instead of folding equal layers.")
    var tensors = false

    @OptionGroup var output: OutputOptions

    func run() throws {
        try reportingFailures {
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

    private func show(json: @autoclosure () -> JSON, text: @autoclosure () -> [String]) throws {
        if output.json {
            Terminal.json(json())
        } else {
            Terminal.product(text().joined(separator: "\n") + "\n")
        }
    }
}
