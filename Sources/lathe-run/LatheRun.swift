import CSystem
import Decoding
import Plans
import Runtime
import Tokenization

// The minimal runner: continues a prompt greedily; the text goes to stdout, one line of statistics to stderr.

/// The C entry point, under the name that SwiftPM gives to `main` of this target: Embedded Swift has no `CommandLine`.
@c(lathe_run_main)
public func runnerMain(
    _ argumentCount: Int32, _ values: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
) -> Int32 {
    guard let arguments = RunnerArguments(count: Int(argumentCount), values: values) else {
        Output.error(
            "usage: lathe-run PLAN -p TEXT [-n TOKENS] [-c CONTEXT] [-t THREADS] [--isa scalar|avx2|avx512|neon] [--digest]\n"
                .utf8
        )
        return 64
    }
    return run(arguments)
}

/// Runs the plan; returns the exit code.
func run(_ arguments: RunnerArguments) -> Int32 {
    let start = lathe_seconds()
    let plan: Plan
    let tokenizer: Tokenizer
    do throws(PlanError) {
        plan = try Plan.open(path: arguments.plan)
    } catch {
        return Output.failure(cause: error.cause, remedy: error.remedy, exitCode: error.exitCode)
    }
    do throws(TokenizerError) {
        tokenizer = try Tokenizer(section: plan.tokenizer)
    } catch {
        return Output.failure(cause: error.cause, remedy: Output.bytes(error.remedy), exitCode: error.exitCode)
    }
    let prompt = tokenizer.encode(arguments.prompt, addSpecial: true, parseSpecial: true)
    guard !prompt.isEmpty else {
        return Output.failure(
            cause: Array("the prompt has no tokens".utf8), remedy: Array("give some text with -p".utf8), exitCode: 64)
    }
    do throws(RuntimeError) {
        let engine = try Engine(
            plan: plan, threads: arguments.threads, instructionSet: arguments.instructionSet)
        let session = try engine.makeSession(contextLength: arguments.contextLength)
        let loaded = lathe_seconds()
        var generation = Generation(
            session: session, sampling: .greedy, digestsLogits: arguments.digestsLogits)
        try generation.prefill(prompt)
        let prefilled = lathe_seconds()
        var produced = 0
        var stream = TextStream(tokenizer)
        _ = try generation.generate(limit: arguments.count, tokenizer: tokenizer) { token in
            produced += 1
            Output.product(stream.append(token))
            return true
        }
        Output.product(stream.finish())
        Output.product([UInt8(ascii: "\n")])
        let end = lathe_seconds()
        if let digest = generation.digest {
            Output.error("logits ".utf8 + digest.text + [UInt8(ascii: "\n")])
        }
        Output.statistics(
            loadSeconds: loaded - start, promptCount: prompt.count, prefillSeconds: prefilled - loaded,
            produced: produced, decodeSeconds: end - prefilled)
        return 0
    } catch {
        return Output.failure(
            cause: Output.bytes(error.cause), remedy: Output.bytes(error.remedy), exitCode: error.exitCode)
    }
}
