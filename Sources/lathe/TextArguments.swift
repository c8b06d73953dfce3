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

    /// Replaces the file by a text, whole or not at all. Throws `Failure` where it cannot be written.
    static func write(_ text: String, to path: String) throws(Failure) {
        do {
            try Data(text.utf8).write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw notWritable(path)
        }
    }

    /// Throws `Failure` where a file could certainly not be written.
    static func checkWritable(_ path: String) throws(Failure) {
        var isDirectory: ObjCBool = false
        let folder = URL(filePath: path).deletingLastPathComponent().path
        guard FileManager.default.isWritableFile(atPath: folder),
            !(FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory.boolValue)
        else { throw notWritable(path) }
    }

    private static func notWritable(_ path: String) -> Failure {
        Failure(
            cause: "\(path): cannot be written", remedy: "choose another path, or make room there", exitCode: 73)
    }
}
