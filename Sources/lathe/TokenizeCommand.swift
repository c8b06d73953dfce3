import ArgumentParser
import Checkpoints
import Compiler
import Plans
import Tokenization

struct TokenizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenize", abstract: "Token ids of a text.")

    @Argument(help: "A plan, or a checkpoint.")
    var source: String

    @Flag(help: "Leave out what the model wants at the beginning of a sequence.")
    var noSpecial = false

    @OptionGroup var text: TextArguments
    @OptionGroup var output: OutputOptions

    func run() throws {
        try reportingFailures {
            let text = try text.bytes()
            let section = try TokenizerSource.section(of: source)
            let (ids, pieces) = try section.withUnsafeBytes { bytes in
                let tokenizer = try Tokenizer(section: bytes)
                let ids = tokenizer.encode(text, addSpecial: !noSpecial, parseSpecial: true)
                return (ids, ids.map { String(decoding: tokenizer.bytes(of: $0), as: UTF8.self) })
            }
            if output.json {
                Terminal.json(
                    .members([
                        ("ids", .array(ids.map { .count(Int($0)) })), ("pieces", .array(pieces.map(JSON.string))),
                    ]))
            } else {
                Terminal.product(ids.map(String.init).joined(separator: " ") + "\n")
            }
        }
    }
}
