import ArgumentParser
import Checkpoints
import Plans
import Tokenization

struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Checks that a plan is sound, without running it.")

    @Argument(help: "A plan.")
    var plan: String

    @Flag(help: "Read the weights too: their checksum, and that every value is finite.")
    var deep = false

    @OptionGroup var output: OutputOptions

    func run() throws {
        try reportingFailures {
            let plan = try Plan.open(path: plan)
            _ = try Tokenizer(section: plan.tokenizer)
            _ = try plan.facts()
            _ = try plan.chatTemplate()
            if deep { try plan.verifyWeights() }
            let digest = String(decoding: plan.digestText, as: UTF8.self)
            if output.json {
                Terminal.json(
                    .members([("deep", .boolean(deep)), ("digest", .string(digest)), ("ok", .boolean(true))]))
            } else {
                Terminal.product("ok \(digest)\n")
            }
        }
    }
}
