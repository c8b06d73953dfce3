import ArgumentParser
import Checkpoints
import Compiler
import Decoding
import Foundation
import Runtime
import Tokenization

/// Flags that choose the next token, named as llama.cpp names them.
struct SamplingArguments: ParsableArguments {
    @Option(name: .customLong("temp"), help: "Temperature; 0 is greedy.")
    var temperature: Float = 0

    @Option(help: "Most likely tokens kept; 0 keeps all.")
    var topK: Int = SamplingOptions().topK

    @Option(help: "Smallest set of most likely tokens with this probability; 1 keeps all.")
    var topP: Float = SamplingOptions().topP

    @Option(help: "Least share of the most likely token's probability; 0 keeps all.")
    var minP: Float = SamplingOptions().minP

    @Option(name: [.customShort("s"), .long], help: "Seed; the same one gives the same text.")
    var seed: UInt64 = 0

    func validate() throws {
        guard temperature.isFinite, temperature >= 0 else { throw ValidationError("--temp takes 0 or more.") }
        guard topK >= 0 else { throw ValidationError("--top-k takes 0 or more.") }
        guard (0...1).contains(topP), topP > 0 else { throw ValidationError("--top-p takes a number in 0...1.") }
        guard (0...1).contains(minP) else { throw ValidationError("--min-p takes a number in 0...1.") }
    }

    var options: SamplingOptions {
        SamplingOptions(temperature: temperature, topK: topK, topP: topP, minP: minP, seed: seed)
    }
}

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Continues a prompt; the text alone goes to stdout.")

    @Argument(help: "A plan.")
    var plan: String

    @Option(name: [.customShort("n"), .customLong("n-predict")], help: "Tokens to produce at the most.")
    var count: Int = 128

    @Option(name: [.customShort("c"), .customLong("ctx-size")], help: "Positions to make room for.")
    var contextLength: Int?

    @Flag(help: "Go on after an end-of-generation token.")
    var ignoreEos = false

    @Flag(help: "Report a digest of all logits; equal digests mean equal bits.")
    var digest = false

    @Option(help: "How tokens are guessed, to be verified several at once; the text stays the same.")
    var draft: DraftArgument = .off

    @OptionGroup var prompt: TextArguments
    @OptionGroup var sampling: SamplingArguments
    @OptionGroup var engine: EngineOptions
    @OptionGroup var cache: CacheOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard count >= 0 else { throw ValidationError("-n takes 0 or more.") }
        if let contextLength, contextLength < 1 { throw ValidationError("-c takes 1 or more.") }
    }

    func run() throws {
        try reportingFailures {
            let loaded = try LoadedPlan(path: plan, options: engine)
            let tokens = loaded.tokenizer.encode(try prompt.bytes(), addSpecial: true, parseSpecial: true)
            guard !tokens.isEmpty else {
                throw Failure(cause: "the prompt has no tokens", remedy: "give some text with -p", exitCode: 64)
            }
            if draft == .skip, !loaded.engine.canSkip {
                throw Failure(
                    cause: "the plan does not say what drafts can do without",
                    remedy: "compile it with --draft-skip, or choose another --draft", exitCode: 64)
            }
            let session = try loaded.engine.makeSession(contextLength: contextLength, cache: cache.kvCache?.element)
            try run(tokens, loaded: loaded, session: session, drafter: draft.drafter(session: session))
            if Interruption.wasAsked { throw ExitCode(130) }
        }
    }

    private func run(_ tokens: [UInt32], loaded: LoadedPlan, session: Session, drafter: some Drafter) throws {
        var generation = Generation(
            session: session, sampling: sampling.options, drafter: drafter, digestsLogits: digest)
        Interruption.endsGeneration()

        let start = ContinuousClock.now
        try generation.prefill(tokens)
        let prefilled = ContinuousClock.now
        var produced: [UInt32] = []
        var text: [UInt8] = []
        var stream = TextStream(loaded.tokenizer)
        _ = try generation.generate(limit: count, tokenizer: loaded.tokenizer, ignoresEnd: ignoreEos) { token in
            produced.append(token)
            emit(stream.append(token), into: &text)
            return !Interruption.wasAsked
        }
        emit(stream.finish(), into: &text)
        let end = ContinuousClock.now
        report(
            loaded, promptCount: tokens.count, produced: produced, text: text,
            digest: generation.digest.map { String(decoding: $0.text, as: UTF8.self) },
            prefillSeconds: (prefilled - start).inSeconds, decodeSeconds: (end - prefilled).inSeconds,
            drafts: generation.statistics)
    }

    private func emit(_ bytes: [UInt8], into text: inout [UInt8]) {
        if output.json { text += bytes } else { Terminal.product(bytes) }
    }

    private func report(
        _ loaded: LoadedPlan, promptCount: Int, produced: [UInt32], text: [UInt8], digest: String?,
        prefillSeconds: Double, decodeSeconds: Double, drafts: DraftStatistics
    ) {
        let prefillRate = Double(promptCount) / max(prefillSeconds, 1e-9)
        // The first token comes with the prompt, so it is not part of the decoding time.
        let steps = max(0, produced.count - 1)
        let decodeRate = steps > 0 ? Double(steps) / max(decodeSeconds, 1e-9) : 0
        if output.json {
            var members: [(key: String, value: JSON)] = [
                ("text", .text(text)), ("tokens", .array(produced.map { .count(Int($0)) })),
                ("prompt_tokens", .count(promptCount)), ("load_seconds", .number(loaded.seconds)),
                ("prefill_tokens_per_second", .number(prefillRate)),
                ("decode_tokens_per_second", .number(decodeRate)), ("tokens_per_step", .number(drafts.tokensPerStep)),
                ("peak_rss_bytes", .count(ProcessMemory.peakBytes)),
            ]
            if draft != .off { members.append(("draft", DraftReport.json(drafts))) }
            if let digest { members.append(("logits_digest", .string(digest))) }
            return Terminal.json(.members(members))
        }
        Terminal.product("\n")
        if let digest { Terminal.error("logits \(digest)") }
        guard !output.quiet else { return }
        Terminal.error(
            "load \((loaded.seconds * 1000).formatted(digits: 1)) ms | "
                + "prefill \(promptCount) tokens, \(prefillRate.formatted(digits: 1)) tokens/s | "
                + "decode \(produced.count) tokens, \(decodeRate.formatted(digits: 1)) tokens/s | "
                + (draft == .off ? "" : DraftReport.text(drafts) + " | ")
                + "peak memory \(ProcessMemory.peakBytes / 1_000_000) MB")
    }
}
