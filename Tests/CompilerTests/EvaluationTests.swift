import Decoding
import Foundation
import Runtime
import Testing

@Suite struct EvaluationTests {
    private let chunk: [UInt32] = (0..<64).map { UInt32(($0 * 31 + 5) % 256) }

    /// Natural logarithms of the probabilities of a row, straight from the definition.
    private func logProbabilities(_ logits: [Float]) -> [Double] {
        let total = log(logits.reduce(0) { $0 + exp(Double($1)) })
        return logits.map { Double($0) - total }
    }

    @Test("perplexity scores positions from the middle on, each by the token after it")
    func perplexityFollowsItsDefinition() throws {
        let model = try TestModel(TestModel.resource("llama3"), precision: .keep, maximumRows: 24)
        let logits = try model.logits(of: chunk)
        var sum = 0.0
        for position in 32..<63 { sum -= logProbabilities(logits[position])[Int(chunk[position + 1])] }
        var perplexity = Perplexity()
        let session = try Engine(plan: model.plan).makeSession()
        try perplexity.score(chunk, session: session)
        #expect(perplexity.tokenCount == 31)
        #expect(abs(perplexity.value - exp(sum / 31)) < 1e-6 * perplexity.value)
        try perplexity.score(chunk, session: session)
        #expect(perplexity.tokenCount == 62)
        #expect(abs(perplexity.value - exp(sum / 31)) < 1e-6 * perplexity.value)
    }

    @Test("divergence from itself is nothing, and from another plan what the definition says")
    func divergenceFollowsItsDefinition() throws {
        let exact = try TestModel(TestModel.resource("llama3"), precision: .f32)
        let rounded = try TestModel(TestModel.resource("llama3"), precision: .w4, maximumRows: 20)
        let reference = try Engine(plan: exact.plan).makeSession()
        var same = Divergence()
        try same.score(chunk, session: try Engine(plan: exact.plan).makeSession(), reference: reference)
        #expect(same.mean == 0 && same.percentile99 == 0 && same.topAgreement == 1)

        var divergence = Divergence()
        try divergence.score(chunk, session: try Engine(plan: rounded.plan).makeSession(), reference: reference)
        let (found, expected) = (try rounded.logits(of: chunk), try exact.logits(of: chunk))
        var divergences: [Double] = []
        var agreements = 0
        for position in 32..<63 {
            let (p, q) = (logProbabilities(expected[position]), logProbabilities(found[position]))
            divergences.append(zip(p, q).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) })
            let top = (p.indices.max { p[$0] < p[$1] }, q.indices.max { q[$0] < q[$1] })
            if top.0 == top.1 { agreements += 1 }
        }
        #expect(abs(divergence.mean - divergences.reduce(0, +) / 31) < 1e-6)
        #expect(abs(divergence.percentile99 - divergences.sorted()[30]) < 1e-6)
        #expect(divergence.topAgreement == Double(agreements) / 31)
        #expect(divergence.mean > 0)
    }
}
