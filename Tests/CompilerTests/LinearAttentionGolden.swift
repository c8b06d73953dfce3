import Foundation
import Testing

/// Logits of a model with every linearized form, by numpy in float64 (scripts/make_linear_attention_goldens.py).
struct LinearAttentionGolden {
    private struct Facts: Decodable { let tokens: [UInt32] }

    let tokens: [UInt32]
    let logits: [Double]

    init() throws {
        let folder = TestModel.resource("linear_attention")
        tokens = try JSONDecoder().decode(
            Facts.self, from: Data(contentsOf: URL(filePath: folder + "/golden.json"))
        ).tokens
        logits = try Data(contentsOf: URL(filePath: folder + "/golden.bin")).withUnsafeBytes {
            Array($0.bindMemory(to: Double.self))
        }
    }

    /// Expects a model to give them, in steps of `chunk` tokens.
    func expect(_ model: TestModel, chunk: Int) throws {
        let found = try model.logits(of: tokens, chunk: chunk).flatMap { $0 }
        #expect(found.count == logits.count)
        #expect(zip(found, logits).reduce(0.0) { max($0, abs(Double($1.0) - $1.1)) } < 1e-4)
    }
}
