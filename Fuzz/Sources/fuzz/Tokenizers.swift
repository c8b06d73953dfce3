import Checkpoints
import Lowering
import Tokenization

/// Opens the bytes as a compiled tokenizer section and uses all of it.
func fuzzTokenizer(_ bytes: UnsafeRawBufferPointer) {
    // Sections begin at a multiple of 8.
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 8)
    defer { memory.deallocate() }
    memory.copyMemory(from: bytes)
    guard let tokenizer = try? Tokenizer(section: UnsafeRawBufferPointer(memory)) else { return }
    let text = Array("Hi<|x|> <tool> cafe\u{301} 각 12 don't\r\n\n  aab".utf8) + [0xFF, 0xE2, 0x82, 0xED, 0xA0, 0xF5]
    for parsesSpecial in [false, true] {
        let ids = tokenizer.encode(
            text + Array(repeating: 0x61, count: 100), addSpecial: true, parseSpecial: parsesSpecial)
        var stream = TextStream(tokenizer, skipsSpecial: parsesSpecial)
        for id in ids { _ = (stream.append(id), tokenizer.isEndOfGeneration(id)) }
        _ = (stream.finish(), tokenizer.decode(ids), tokenizer.decode([.max]))
    }
}

/// Reads the bytes as a tokenizer.json and compiles it, patterns included.
func fuzzTokenizerDefinition(_ bytes: UnsafeRawBufferPointer) {
    guard let value = try? JSON(parsing: Array(bytes), file: "tokenizer.json"),
        let definition = try? TokenizerDefinition(tokenizer: value),
        let section = try? TokenizerCompiler.section(for: definition)
    else { return }
    section.withUnsafeBytes { fuzzTokenizer($0) }
}
