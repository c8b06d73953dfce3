import ArgumentParser
import Foundation

/// A text, given on the command line or in a file.
struct TextArguments: ParsableArguments {
    @Option(name: [.customShort("p"), .long], help: "The text; special tokens in it are recognized.")
    var prompt: String?

    @Option(name: [.customShort("f"), .long], help: "A file that holds the text, in any bytes.")
    var file: String?

    func validate() throws {
        guard (prompt == nil) != (file == nil) else { throw ValidationError("Give either -p TEXT or -f FILE.") }
    }

    /// The text's bytes. Throws `Failure` where the file cannot be read.
    func bytes() throws -> [UInt8] {
        if let prompt { return Array(prompt.utf8) }
        return try TextFile.bytes(of: file ?? "")
    }
}

/// A text file as the command line names it.
enum TextFile {
    /// All of its bytes. Throws `Failure` where it cannot be read.
    static func bytes(of path: String) throws(Failure) -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Failure(cause: "\(path): cannot be read", remedy: "check the path", exitCode: 66)
        }
        return Array(data)
    }
}
