import Checkpoints
import Lowering
import Tokenization

/// Opens the bytes as a compiled tokenizer section and encodes and decodes text with it.
@Sendable
func fuzzTokenizer(_ bytes: UnsafeRawBufferPointer) {
    // A plan maps its sections at multiples of 64.
    let section = UnsafeMutableRawBufferPointer.allocate(byteCount: max(bytes.count, 1), alignment: 64)
    defer { section.deallocate() }
    section.copyMemory(from: bytes)
    guard let tokenizer = try? Tokenizer(section: UnsafeRawBufferPointer(rebasing: section[..<bytes.count])) else {
        return
    }
    // Text that meets every kind of table: words, digits, spaces, special tokens' text, marks, and bytes that no
    // character has; the input's own end as well.
    var text = Array("Hello  world's 12345\r\n\t<|im_start|>e\u{301}\u{AC00}\u{1F642} ".utf8)
    text += [0xFF, 0xE2, 0x82, 0xC0, 0x80, 0xED, 0xA0, 0x80]
    text += bytes.suffix(64)
    for parsesSpecial in [false, true] {
        let ids = tokenizer.encode(text, addSpecial: true, parseSpecial: parsesSpecial)
        _ = tokenizer.decode(ids)
        var stream = TextStream(tokenizer)
        for id in ids {
            _ = stream.append(id)
            _ = tokenizer.isEndOfGeneration(id)
        }
        _ = stream.finish()
    }
    for id in [0, UInt32(tokenizer.vocabularySize), .max] {
        _ = (tokenizer.bytes(of: id).count, tokenizer.isSpecial(id))
    }
}

/// Reads the bytes as a tokenizer.json and compiles what it defines.
@Sendable
func fuzzTokenizerJSON(_ bytes: UnsafeRawBufferPointer) {
    guard let json = try? JSON(parsing: bytes, file: "tokenizer.json"),
        let definition = try? TokenizerDefinition(
            tokenizer: json, tokenizerConfig: .null, generationConfig: .null, config: .null, chatTemplate: nil)
    else { return }
    _ = try? TokenizerCompiler.section(for: definition)
}
