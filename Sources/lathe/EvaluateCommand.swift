import ArgumentParser
import Checkpoints
import Compiler
import Decoding
import Foundation
import Plans
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

    @Option(help: "A plan to compare with: divergence and agreement of the predictions.")
    var reference: String?

    @OptionGroup var engine: EngineOptions
    @OptionGroup var cache: CacheOptions
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
            var bar = ProgressBar(quiet: output.quiet || output.json)
            let session = try session(of: loaded, cache: cache.kvCache?.element)
            // The reference keeps the plan's own cache, so that one plan shows what another element costs.
            let reference = try reference.map { try self.session(of: try referencePlan($0, of: loaded), cache: nil) }
            var (perplexity, divergence) = (Perplexity(), Divergence())
            for index in 0..<count {
                var chunk = Array(tokens[index * chunkLength..<(index + 1) * chunkLength])
                // A model that wants a beginning-of-sequence token gets it in every chunk.
                if loaded.tokenizer.addsBeginningOfSequence, let beginning = loaded.tokenizer.beginningOfSequence {
                    chunk[0] = beginning
                }
                if let reference {
                    try divergence.score(chunk, session: session, reference: reference)
                    perplexity = divergence.perplexity
                } else {
                    try perplexity.score(chunk, session: session)
                }
                bar.show("perplexity \(perplexity.value.formatted(digits: 3))", Double(index + 1) / Double(count))
            }
            bar.finish()
            report(perplexity, reference == nil ? nil : divergence, chunks: count)
        }
    }

    private func session(of loaded: LoadedPlan, cache: CacheElement?) throws -> Session {
        let session = try loaded.engine.makeSession(contextLength: chunkLength, cache: cache)
        guard session.capacity == chunkLength else {
            throw Failure(
                cause: "a chunk of \(chunkLength) tokens is longer than the model's context of \(session.capacity)",
                remedy: "choose smaller chunks with -c", exitCode: 64)
        }
        return session
    }

    private func referencePlan(_ path: String, of loaded: LoadedPlan) throws -> LoadedPlan {
        let reference = try LoadedPlan(path: path, options: engine)
        let sizes = (loaded.plan.program.vocabularySize, reference.plan.program.vocabularySize)
        guard sizes.0 == sizes.1 else {
            throw Failure(
                cause: "\(path): a vocabulary of \(sizes.1) tokens, the plan has \(sizes.0)",
                remedy: "compare plans of the same model", exitCode: 65)
        }
        return reference
    }

    private func report(_ perplexity: Perplexity, _ divergence: Divergence?, chunks: Int) {
        if output.json {
            var members: [(key: String, value: JSON)] = [
                ("perplexity", .number(perplexity.value)), ("tokens", .count(perplexity.tokenCount)),
                ("chunks", .count(chunks)),
            ]
            if let divergence {
                members += [
                    ("kl_mean", .number(divergence.mean)), ("kl_p99", .number(divergence.percentile99)),
                    ("top1_agreement", .number(divergence.topAgreement)),
                ]
            }
            return Terminal.json(.members(members))
        }
        Terminal.product(
            "perplexity \(perplexity.value.formatted(digits: 4)) over \(perplexity.tokenCount) tokens\n")
        if let divergence {
            Terminal.product(
                "divergence from the reference: mean \(divergence.mean.formatted(digits: 6)), "
                    + "99th percentile \(divergence.percentile99.formatted(digits: 6)); "
                    + "same top token at \((divergence.topAgreement * 100).formatted(digits: 2)) %\n")
        }
    }
}
