import Foundation
import Testing

@testable import Checkpoints
@testable import Lowering
@testable import Tokenization

/// A file of the test's resources.
func resource(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: Bundle.module.bundleURL.appendingPathComponent("Resources/\(name)")))
}

func json(_ name: String) throws -> JSON {
    try JSON(parsing: try resource(name), file: name)
}

/// The hashes in a golden file.
func hashes(_ name: String) throws -> [UInt32] {
    let bytes = try resource(name)
    return bytes.withUnsafeBytes { memory in
        (0..<bytes.count / 4).map { memory.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self) }
    }
}

/// FNV-1a of 64 bits.
func fnv(_ bytes: some Sequence<UInt8>) -> UInt64 {
    var value: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return value
}

func fnv(_ words: [UInt32]) -> UInt64 {
    words.withUnsafeBytes { fnv($0) }
}

/// The same folded to 32 bits.
func shortHash(_ bytes: some Sequence<UInt8>) -> UInt32 {
    let value = fnv(bytes)
    return UInt32(truncatingIfNeeded: value >> 32) ^ UInt32(truncatingIfNeeded: value)
}

func shortHash(_ ids: [UInt32]) -> UInt32 {
    ids.withUnsafeBytes { shortHash($0) }
}

/// A compiled section in memory that lives as long as the value, and the tokenizer over it.
final class CompiledTokenizer: @unchecked Sendable {
    let memory: UnsafeMutableRawBufferPointer
    let tokenizer: Tokenizer

    init(section: [UInt8]) throws {
        memory = .allocate(byteCount: section.count, alignment: 8)
        memory.copyBytes(from: section)
        do {
            tokenizer = try Tokenizer(section: UnsafeRawBufferPointer(memory))
        } catch {
            memory.deallocate()
            throw error
        }
    }

    convenience init(_ definition: TokenizerDefinition) throws {
        try self.init(section: try TokenizerCompiler.section(for: definition))
    }

    deinit { memory.deallocate() }

    func encode(_ text: [UInt8], addSpecial: Bool = false, parseSpecial: Bool = true) -> [UInt32] {
        tokenizer.encode(text, addSpecial: addSpecial, parseSpecial: parseSpecial)
    }

    /// Encodes as the golden files do: every second text with the ids around it, every fourth with special tokens'
    /// texts read as plain text.
    func encodeGolden(_ text: [UInt8], index: Int) -> [UInt32] {
        encode(text, addSpecial: index % 2 == 0, parseSpecial: index % 4 != 3)
    }
}

/// The tokenizers of the golden files.
enum GoldenTokenizers {
    /// SmolLM2's vocabulary is not in the repository; `make test` fetches the model.
    static let smolLM2Path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../.models/SmolLM2-135M-Instruct.Q4_1.gguf").standardized.path

    static let smolLM2 = Result { () throws -> CompiledTokenizer in
        try CompiledTokenizer(try TokenizerDefinition(try Checkpoint.open(smolLM2Path)))
    }
    static let llama = Result { try CompiledTokenizer(try TokenizerDefinition(tokenizer: try json("llama.json"))) }
    static let qwen = Result { try CompiledTokenizer(try TokenizerDefinition(tokenizer: try json("qwen.json"))) }
}

extension JSON {
    /// An object with some members replaced or added.
    func replacing(_ changes: [(String, JSON)]) -> JSON {
        guard case .object(let object) = self else { return self }
        var members = object.filter { member in !changes.contains { $0.0 == member.key } }
        for (key, value) in changes { members.append((key: key, value: value)) }
        return .object(JSONObject(members))
    }

    /// A literal for tests.
    static func parse(_ text: String) throws -> JSON {
        try #require(try JSON(parsing: Array("[\(text)]".utf8), file: "test")[0])
    }
}
