import ArgumentParser
import Checkpoints
import Compiler
import Foundation

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

    static func main() {
        // A file that grows past its limit is an error of the write, not the end of the process.
        signal(SIGXFSZ, SIG_IGN)
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch {
            guard exitCode(for: error) == .validationFailure, !(error is ExitCode) else { exit(withError: error) }
            let verbs = configuration.subcommands.map { $0._commandName }
            let verb = CommandLine.arguments.dropFirst().first { verbs.contains($0) }
            Terminal.error("lathe: \(oneLine(message(for: error), limit: 2000))")
            Terminal.error("lathe: \(["see 'lathe", verb, "--help'"].compactMap { $0 }.joined(separator: " "))")
            exit(withError: ExitCode.validationFailure)
        }
    }
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

    @Flag(help: "Read the plan into memory instead of mapping it: safe where others may cut the file short.")
    var noMmap = false

    func validate() throws {
        if let threads, threads < 1 { throw ValidationError("-t takes a number from 1 on.") }
    }
}
