import Foundation
import Testing

/// Checkpoints that the tests start from.
enum Fixtures {
    private static let repository = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// A folder with a tiny model as `model.gguf` and as safetensors.
    static func folder(_ family: String) -> String {
        repository.appending(path: "Tests/CompilerTests/Resources/\(family)").path
    }

    static func gguf(_ family: String) -> String { folder(family) + "/model.gguf" }

    /// The real model, which `make model` fetches.
    static let realModel = repository.appending(path: ".models/SmolLM2-135M-Instruct.Q4_1.gguf").path

    /// The bytes of a tiny GGUF file.
    static func ggufBytes(_ family: String = "llama") throws -> [UInt8] {
        try Array(Data(contentsOf: URL(filePath: gguf(family))))
    }

    /// The bytes of a plan of a tiny model.
    static func planBytes() throws -> [UInt8] {
        try withFolder { folder in
            let path = folder + "/tiny.plan"
            let outcome = try LatheProcess.run("compile", gguf("llama"), "-o", path, "--quiet")
            try #require(outcome.exitCode == 0, "\(outcome.errors)")
            return try Array(Data(contentsOf: URL(filePath: path)))
        }
    }

    /// A writable copy of a tiny Hugging Face folder, without the GGUF file in it.
    static func copyFolder(_ family: String, to destination: String) throws {
        try FileManager.default.copyItem(atPath: folder(family), toPath: destination)
        try FileManager.default.removeItem(atPath: destination + "/model.gguf")
    }
}

func write(_ bytes: [UInt8], to path: String) throws {
    try Data(bytes).write(to: URL(filePath: path))
}

extension [UInt8] {
    /// The place behind the first occurrence of a text.
    func end(of text: String) throws -> Int {
        try #require(firstRange(of: Array(text.utf8))?.upperBound, "\(text) is in the file")
    }

    /// Replaces the first occurrence of a text by one that is as long.
    mutating func replace(_ text: String, with other: String) throws {
        try #require(text.utf8.count == other.utf8.count)
        let end = try end(of: text)
        replaceSubrange(end - text.utf8.count..<end, with: Array(other.utf8))
    }

    /// Writes a little-endian 32-bit number.
    mutating func setNumber(_ value: UInt32, at offset: Int) {
        replaceSubrange(offset..<offset + 4, with: Swift.withUnsafeBytes(of: value.littleEndian) { [UInt8]($0) })
    }
}
