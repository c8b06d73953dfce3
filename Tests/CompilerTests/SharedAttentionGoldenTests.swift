import Foundation
import Lowering
import Passes
import Testing

/// Shared attention against a definition in float64 (scripts/make_shared_attention_goldens.py).
@Suite("Logits with shared attention against numpy in float64")
struct SharedAttentionGoldenTests {
    private struct Golden: Decodable {
        struct Span: Decodable {
            let first: Int
            let last: Int
            let headMaps: [String: [Int]]

            var span: ShareAttention.Span {
                ShareAttention.Span(
                    first...last,
                    headMaps: Dictionary(uniqueKeysWithValues: headMaps.map { (Int($0) ?? -1, $1) }))
            }
        }
        struct Case: Decodable {
            let name: String
            let spans: [Span]
        }
        let tokens: [UInt32]
        let cases: [Case]
        let shape: [Int]
    }

    @Test("every case, in steps of 1, 5 and all rows")
    func cases() throws {
        let folder = TestModel.resource("shared_attention")
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let golden = try decoder.decode(
            Golden.self, from: Data(contentsOf: URL(filePath: folder).appending(path: "golden.json")))
        let values = try Data(contentsOf: URL(filePath: folder).appending(path: "golden.bin"))
            .withUnsafeBytes { bytes in
                (0..<bytes.count / 8).map { bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Double.self) }
            }
        #expect(values.count == golden.cases.count * golden.shape[0] * golden.shape[1])
        #expect(golden.cases.map(\.spans.count) == [0, 1, 2, 1])
        for (index, one) in golden.cases.enumerated() {
            let model = try TestModel(folder, precision: .f32) { model in
                model = try ShareAttention(one.spans.map(\.span)).apply(to: model).model
            }
            for chunk in [1, 5, golden.tokens.count] {
                let logits = try model.logits(of: golden.tokens, chunk: chunk).flatMap { $0 }
                let expected = values[index * logits.count..<(index + 1) * logits.count]
                let largest = zip(logits, expected).reduce(0.0) { max($0, abs(Double($1.0) - $1.1)) }
                #expect(largest < 1e-4, "\(one.name), steps of \(chunk)")
            }
        }
    }
}
