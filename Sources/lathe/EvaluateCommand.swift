import ArgumentParser
import Compiler
import Decoding
import Foundation
import Runtime

struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval",
        abstract: "Perplexity of a text: the same chunks and scored tokens as llama.cpp's perplexity tool.")

    @Argument(help: "A plan.")
    var plan: String

    @Option(help: "A file of plain text.")
    var text: String

    @Option(name: [.customShort("c"), .customLong("ctx-size")], help: "Tokens in a chunk.")
    var chunkLength: Int = 512

    @Option(help: "Chunks to score; all when left out.")
    var chunks: Int?

    @OptionGroup var engine: EngineOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard chunkLength >= 4 else { throw ValidationError("-c takes 4 or more.") }
        if let chunks, chunks < 1 { throw ValidationError("--chunks takes 1 or more.") }
    }

    func run() throws {
        try reportingFailures {
            let loaded = try LoadedPlan(path: plan, options: engine)
            let tokens = loaded.tokenizer.encode(try TextFile.bytes(of: text), addSpecial: true, parseSpecial: false)
            let available = tokens.count / chunkLength
            guard available > 0 else {
                throw Failure(
                    cause: "\(text): \(tokens.count) tokens, fewer than one chunk of \(chunkLength)",
                    remedy: "give a longer text, or smaller chunks with -c", exitCode: 65)
            }
            let count = min(chunks ?? available, available)
            let session = try loaded.engine.makeSession(contextLength: chunkLength)
            guard session.capacity == chunkLength else {
                throw Failure(
                    cause: "a chunk of \(chunkLength) tokens is longer than the model's context of \(session.capacity)",
                    remedy: "choose smaller chunks with -c", exitCode: 64)
            }
            var perplexity = Perplexity()
            var bar = ProgressBar(quiet: output.quiet || output.json)
            for index in 0..<count {
                var chunk = Array(tokens[index * chunkLength..<(index + 1) * chunkLength])
                // A model that wants a beginning-of-sequence token gets it in every chunk.
                if loaded.tokenizer.addsBeginningOfSequence, let beginning = loaded.tokenizer.beginningOfSequence {
                    chunk[0] = beginning
                }
                try perplexity.score(chunk, session: session)
                bar.show("perplexity \(perplexity.value.formatted(digits: 3))", Double(index + 1) / Double(count))
            }
            bar.finish()
            if output.json {
                try Terminal.json(["perplexity": perplexity.value, "tokens": perplexity.tokenCount, "chunks": count])
            } else {
                Terminal.product(
                    "perplexity \(perplexity.value.formatted(digits: 4)) over \(perplexity.tokenCount) tokens\n")
            }
        }
    }
}
