import Foundation
import Testing

@testable import Checkpoints
@testable import Lowering

/// The fuzzers' seeds, and inputs that once crashed: whatever they hold, the reader returns.
@Suite struct StoredInputTests {
    private func inputs(_ target: String) throws -> [(name: String, bytes: [UInt8], isSeed: Bool)] {
        let fuzz = URL(fileURLWithPath: #filePath).appendingPathComponent("../../../Fuzz").standardized.path
        return try ["Seeds", "Crashers"].flatMap { folder in
            let directory = "\(fuzz)/\(folder)/\(target)"
            return try FileManager.default.contentsOfDirectory(atPath: directory).filter { !$0.hasPrefix(".") }.map {
                (
                    name: $0, bytes: Array(try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\($0)"))),
                    isSeed: folder == "Seeds"
                )
            }
        }
    }

    @Test func sectionsAreRefusedOrUsed() throws {
        let inputs = try inputs("tokenizer")
        #expect(!inputs.isEmpty)
        for input in inputs { #expect(TokenizerFuzzing.run(input.bytes) || !input.isSeed, "\(input.name)") }
    }

    @Test func definitionsAreRefusedOrCompiled() throws {
        let inputs = try inputs("tokenizer-definition")
        #expect(!inputs.isEmpty)
        for input in inputs {
            let section = try? TokenizerCompiler.section(
                for: try TokenizerDefinition(tokenizer: try JSON(parsing: input.bytes, file: input.name)))
            #expect(section != nil || !input.isSeed, "\(input.name)")
        }
    }
}
