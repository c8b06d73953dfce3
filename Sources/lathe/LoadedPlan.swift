import Compiler
import Plans
import Runtime
import Tokenization

/// A plan opened for running, and how long that took.
struct LoadedPlan {
    let plan: Plan
    let engine: Engine
    let tokenizer: Tokenizer
    let seconds: Double

    init(path: String, options: EngineOptions) throws {
        let start = ContinuousClock.now
        plan = try Plan.open(path: path, mapped: !options.noMmap)
        tokenizer = try Tokenizer(section: plan.tokenizer)
        engine = try Engine(
            plan: plan, threads: options.threads, instructionSet: options.isa?.instructionSet)
        seconds = (ContinuousClock.now - start).inSeconds
    }
}
