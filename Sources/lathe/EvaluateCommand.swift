import ArgumentParser
import Checkpoints
import Compiler
import Decoding
import Foundation
import Plans
import Runtime
import Tokenization

struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "eval",
        abstract: "Perplexity of a text: the same chunks and scored tokens as llama.cpp's perplexity tool.")

    @Argument(help: "A plan.")
    var plan: String

    @Option(help: "A file of plain text; bytes that are not UTF-8 are taken as the tokenizer takes them.")
    var text: String

    @Option(name: [.customShort("c"), .customLong("ctx-size")], help: "Tokens in a chunk.")
    var chunkLength: Int = 512

    @Option(help: "Chunks to score; all when left out.")
    var chunks: Int?

    @Option(help: "A plan to compare with: divergence and agreement of the predictions.")
    var reference: String?

    @Option(help: "With --reference: prompts whose greedy texts are compared; 0 for none.")
    var divergencePrompts: Int = 16

    @OptionGroup var engine: EngineOptions
    @OptionGroup var cache: CacheOptions
    @OptionGroup var output: OutputOptions

    /// Tokens of a chunk that greedy texts begin with, and tokens that they are continued by.
    private static let (promptLength, continuationLength) = (64, 128)

    func validate() throws {
        guard chunkLength >= 4 else { throw ValidationError("-c takes 4 or more.") }
        if let chunks, chunks < 1 { throw ValidationError("--chunks takes 1 or more.") }
        guard divergencePrompts >= 0 else { throw ValidationError("--divergence-prompts takes 0 or more.") }
    }

    func run() throws {
        try reportingFailures {
            let loaded = try LoadedPlan(path: plan, options: engine)
            let text = try chunkedText(loaded.tokenizer)
            var bar = ProgressBar(quiet: output.quiet || output.json)
            let session = try session(of: loaded, cache: cache.kvCache?.element)
            // The reference keeps the plan's own cache, so that one plan shows what another element costs.
            let reference = try reference.map { try self.session(of: try referencePlan($0, of: loaded), cache: nil) }
            var evaluation = Evaluation()
            for index in 0..<text.count {
                try evaluation.score(text.chunk(index), session: session, reference: reference)
                bar.show(
                    "perplexity \(evaluation.perplexity.value.formatted(digits: 3))",
                    Double(index + 1) / Double(text.count))
            }
            if let reference, divergencePrompts > 0 {
                evaluation.greedy = try greedyDivergence(of: session, from: reference, over: text, &bar)
            }
            bar.finish()
            try report(evaluation, chunks: text.count)
        }
    }

    /// The text's chunks, as many as are to be scored.
    private func chunkedText(_ tokenizer: Tokenizer) throws -> ChunkedText {
        let tokens = tokenizer.encode(try TextFile.bytes(of: text), addSpecial: true, parseSpecial: false)
        let available = tokens.count / chunkLength
        guard available > 0 else {
            throw Failure(
                cause: "\(text): \(tokens.count) tokens, fewer than one chunk of \(chunkLength)",
                remedy: "give a longer text, or smaller chunks with -c", exitCode: 65)
        }
        return ChunkedText(
            tokens: tokens, chunkLength: chunkLength, count: min(chunks ?? available, available),
            beginning: tokenizer.addsBeginningOfSequence ? tokenizer.beginningOfSequence : nil)
    }

    /// Greedy texts from the beginnings of chunks that are spread evenly over the text.
    private func greedyDivergence(
        of session: Session, from reference: Session, over text: ChunkedText, _ bar: inout ProgressBar
    ) throws -> GreedyDivergence {
        let promptLength = min(EvaluateCommand.promptLength, chunkLength)
        // The last token of a text needs no position.
        let room = min(session.capacity, reference.capacity) - promptLength + 1
        var divergence = GreedyDivergence(limit: min(EvaluateCommand.continuationLength, room))
        let count = min(divergencePrompts, text.count)
        for index in 0..<count {
            let prompt = Array(text.chunk(index * text.count / count).prefix(promptLength))
            try divergence.score(prompt, session: session, reference: reference)
            bar.show("greedy texts", Double(index + 1) / Double(count))
        }
        return divergence
    }

    private func session(of loaded: LoadedPlan, cache: CacheElement?) throws -> Session {
        let greedyLength = EvaluateCommand.promptLength + EvaluateCommand.continuationLength
        let comparesTexts = reference != nil && divergencePrompts > 0
        let session = try loaded.engine.makeSession(
            contextLength: comparesTexts ? max(chunkLength, greedyLength) : chunkLength, cache: cache)
        guard session.capacity >= chunkLength else {
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

    private func report(_ evaluation: Evaluation, chunks: Int) throws {
        let perplexity = evaluation.perplexity
        // The plan's own logits make the perplexity, the reference's the divergence alone.
        let overflowing = perplexity.value.isFinite ? reference : plan
        guard perplexity.value.isFinite, evaluation.divergence?.mean.isFinite ?? true else {
            throw Failure(
                cause: "\(overflowing ?? plan): logits are infinite or NaN, so that there is nothing to measure",
                remedy: "check the checkpoint that it was compiled from: its weights overflow", exitCode: 1)
        }
        if output.json {
            var members: [(key: String, value: JSON)] = [
                ("perplexity", .number(perplexity.value)), ("tokens", .count(perplexity.tokenCount)),
                ("chunks", .count(chunks)),
            ]
            if let divergence = evaluation.divergence {
                members += [
                    ("kl_mean", .number(divergence.mean)), ("kl_p99", .number(divergence.percentile99)),
                    ("top1_agreement", .number(divergence.topAgreement)),
                ]
            }
            if let greedy = evaluation.greedy {
                members += [
                    ("greedy_prompts", .count(greedy.prefixes.count)), ("greedy_prefix_mean", .number(greedy.mean)),
                    ("greedy_prefix_median", .number(greedy.median)), ("greedy_prefix_limit", .count(greedy.limit)),
                    ("greedy_never_diverged", .count(greedy.neverDiverged)),
                ]
            }
            return Terminal.json(.members(members))
        }
        Terminal.product(
            "perplexity \(perplexity.value.formatted(digits: 4)) over \(perplexity.tokenCount) tokens\n")
        if let divergence = evaluation.divergence {
            Terminal.product(
                "divergence from the reference: mean \(divergence.mean.formatted(digits: 6)), "
                    + "99th percentile \(divergence.percentile99.formatted(digits: 6)); "
                    + "same top token at \((divergence.topAgreement * 100).formatted(digits: 2)) %\n")
        }
        if let greedy = evaluation.greedy {
            Terminal.product(
                "greedy texts equal the reference's for \(greedy.mean.formatted(digits: 1)) tokens on average, "
                    + "median \(greedy.median.formatted(digits: 1)); "
                    + "\(greedy.neverDiverged) of \(greedy.prefixes.count) for all \(greedy.limit)\n")
        }
    }
}

/// A text's tokens in chunks of one length.
private struct ChunkedText {
    let tokens: [UInt32]
    let chunkLength: Int
    let count: Int
    /// A model that wants a beginning-of-sequence token gets it in every chunk.
    let beginning: UInt32?

    func chunk(_ index: Int) -> [UInt32] {
        var chunk = Array(tokens[index * chunkLength..<(index + 1) * chunkLength])
        if let beginning { chunk[0] = beginning }
        return chunk
    }
}

/// What was measured: without a reference the perplexity alone.
private struct Evaluation {
    private(set) var perplexity = Perplexity()
    private(set) var divergence: Divergence?
    var greedy: GreedyDivergence?

    mutating func score(_ chunk: [UInt32], session: Session, reference: Session?) throws(RuntimeError) {
        guard let reference else { return try perplexity.score(chunk, session: session) }
        var divergence = self.divergence ?? Divergence()
        self.divergence = nil  // so that what it has collected is not copied
        try divergence.score(chunk, session: session, reference: reference)
        perplexity = divergence.perplexity
        self.divergence = divergence
    }
}
