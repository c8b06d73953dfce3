import Foundation
import Testing

/// The reference logits of SmolLM2 (scripts/reference_logits.py says how the files lie).
private struct ReferenceLogits: Decodable {
    struct Prompt: Decodable {
        let name: String
        let text: String
        let ids: [UInt32]
    }

    let vocabulary: Int
    let stride: Int
    let top: Int
    let prompts: [Prompt]
}

@Suite("Logits of SmolLM2-135M-Instruct against transformers in float32")
struct RealModelLogitsTests {
    @Test("the float32 plan agrees within 2e-3 and in every argmax of 10 prompts")
    func float32PlanAgrees() throws {
        let reference = try JSONDecoder().decode(
            ReferenceLogits.self,
            from: Data(contentsOf: URL(filePath: TestModel.resource("smollm2_logits.json"))))
        let data = try Data(contentsOf: URL(filePath: TestModel.resource("smollm2_logits.bin")))
        let model = try TestModel(TestModel.realModel, precision: .f32)
        #expect(reference.prompts.count == 10)
        var offset = 0
        func next() -> UInt32 {
            defer { offset += 4 }
            return data.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
        }
        var largest: Float = 0
        for prompt in reference.prompts {
            let logits = try model.logits(of: prompt.ids)
            for (position, row) in logits.enumerated() {
                let argmax = row.indices.max { row[$0] < row[$1] }
                #expect(argmax == Int(next()), "\(prompt.name), position \(position)")
            }
            let last = try #require(logits.last)
            #expect(last.count == reference.vocabulary)
            let top = (0..<reference.top).map { _ in Int(next()) }
            for id in top { largest = max(largest, abs(last[id] - Float(bitPattern: next()))) }
            for id in stride(from: 0, to: reference.vocabulary, by: reference.stride) {
                largest = max(largest, abs(last[id] - Float(bitPattern: next())))
            }
        }
        #expect(offset == data.count)
        #expect(largest <= 2e-3)
        print("largest difference of a logit: \(largest)")
    }
}
