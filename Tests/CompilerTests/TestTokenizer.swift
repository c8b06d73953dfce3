import Checkpoints
import Foundation
import Lowering
import Tokenization

/// A checkpoint's tokenizer, compiled in memory.
final class TestTokenizer {
    let tokenizer: Tokenizer
    private let section: UnsafeMutableRawBufferPointer

    init(_ path: String) throws {
        let bytes = try TokenizerCompiler.section(for: try TokenizerDefinition(try Checkpoint.open(path)))
        // Sections lie at multiples of 8 bytes.
        section = .allocate(byteCount: bytes.count, alignment: 8)
        section.copyBytes(from: bytes)
        do {
            tokenizer = try Tokenizer(section: UnsafeRawBufferPointer(section))
        } catch {
            section.deallocate()
            throw error
        }
    }

    deinit { section.deallocate() }
}
