import ArgumentParser
import Compiler

@main
struct Lathe: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lathe",
        abstract: "Compiles language-model checkpoints ahead of time, and runs the plans on CPUs.",
        version: Compilation.version,
        subcommands: [
            CompileCommand.self, RunCommand.self, EvaluateCommand.self, BenchCommand.self, TokenizeCommand.self,
            InspectCommand.self, VerifyCommand.self,
        ])
}

/// Flags that every verb takes.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print one JSON document on stdout instead of text.")
    var json = false

    @Flag(help: "No progress and no statistics on stderr.")
    var quiet = false
}

/// Flags of every verb that runs a plan.
struct EngineOptions: ParsableArguments {
    @Option(name: [.customShort("t"), .long], help: "Threads; all that this process may use when left out.")
    var threads: Int?

    @Option(help: "Instruction set: scalar, avx2, avx512 or neon; the best one when left out.")
    var isa: InstructionSetArgument?

    func validate() throws {
        if let threads, threads < 1 { throw ValidationError("-t takes a number from 1 on.") }
    }
}
