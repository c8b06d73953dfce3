import ArgumentParser
import Compiler
import Foundation
import Plans
import Tokenization

struct TokenizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tokenize", abstract: "Token ids of a text.")

    @Argument(help: "A plan, or a checkpoint.")
    var source: String

    @Option(name: [.customShort("p"), .long], help: "The text; special tokens in it are recognized.")
    var prompt: String?

    @Option(name: [.customShort("f"), .long], help: "A file that holds the text, in any bytes.")
    var file: String?

    @Flag(help: "Leave out what the model wants at the beginning of a sequence.")
    var noSpecial = false

    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (prompt == nil) != (file == nil) else { throw ValidationError("Give either -p TEXT or -f FILE.") }
    }

    func run() throws {
        try reportingFailures {
            let text: [UInt8]
            if let prompt {
                text = Array(prompt.utf8)
            } else if let file, let data = FileManager.default.contents(atPath: file) {
                text = Array(data)
            } else {
                throw Failure(cause: "\(file ?? ""): cannot be read", remedy: "check the path", exitCode: 66)
            }
            let section = try TokenizerSource.section(of: source)
            let (ids, pieces) = try section.withUnsafeBytes { bytes in
                let tokenizer = try Tokenizer(section: bytes)
                let ids = tokenizer.encode(text, addSpecial: !noSpecial, parseSpecial: true)
                return (ids, ids.map { String(decoding: tokenizer.bytes(of: $0), as: UTF8.self) })
            }
            if output.json {
                try Terminal.json(["ids": ids.map { Int($0) }, "pieces": pieces])
            } else {
                Terminal.product(ids.map(String.init).joined(separator: " ") + "\n")
            }
        }
    }
}
