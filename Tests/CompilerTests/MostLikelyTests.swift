import Foundation
import Runtime
import Testing

@Suite("The most likely tokens, found while the head runs")
struct MostLikelyTests {
    /// The definition: every logit sorted, the lower id first among equals.
    private func expected(_ logits: [Float], count: Int) -> [Candidate] {
        let order = logits.indices.sorted { (logits[$0], $1) > (logits[$1], $0) }
        return order.prefix(count).map { Candidate(token: UInt32($0), logit: logits[$0]) }
    }

    @Test("as the logits say", arguments: [1, 2, 40, 255, 256, 1000])
    func session(count: Int) throws {
        let model = try TestModel(TestModel.resource("quantized/model.gguf"), precision: .keep)
        for threads in [1, 2] {
            let engine = try Engine(plan: model.plan, threads: threads)
            let session = try engine.makeSession()
            try session.evaluate(Row.chain(SameBitsTests.tokens.prefix(30), after: 0))
            let rows = [29, 3, 17]
            let logits = try session.logits(of: rows)
            let all = try rows.indices.map { Array(try #require(logits.row($0))) }
            let found = try session.mostLikely(count, of: rows)
            #expect(found == all.map { expected($0, count: count) })
            #expect(throws: RuntimeError.self) { try session.mostLikely(count, of: [30]) }
        }
    }

    @Test("whatever the order of the pieces, equal logits included")
    func pieces() {
        let logits = (0..<1_000).map { Float(($0 * 7_919) % 31) }
        for count in [1, 3, 100, 999, 1_000, 5_000] {
            var found = MostLikely(count)
            for piece in [7, 0, 3, 9, 1, 8, 2, 5, 4, 6] {
                logits[piece * 100..<(piece + 1) * 100].withUnsafeBufferPointer {
                    found.offer($0, from: UInt32(piece * 100))
                }
            }
            #expect(found.sorted == expected(logits, count: count))
        }
    }
}
