import Foundation
import Runtime
import Testing

@testable import Decoding

@Suite struct SamplerTests {
    private func sample(_ logits: [Float], _ options: SamplingOptions, count: Int) -> [Int] {
        var sampler = Sampler(options)
        var counts = Array(repeating: 0, count: logits.count)
        logits.withUnsafeBufferPointer { row in
            for _ in 0..<count { counts[Int(sampler.sample(row))] += 1 }
        }
        return counts
    }

    private let all = SamplingOptions(temperature: 1, topK: 0, topP: 1, minP: 0, seed: 7)

    @Test func greedyTakesTheLargestAndTheLowestIdAmongEquals() {
        for options in [SamplingOptions.greedy, SamplingOptions(temperature: 5, topK: 1)] {
            #expect(sample([1, 3, -2, 3, 0], options, count: 3) == [0, 3, 0, 0, 0])
        }
    }

    /// 100,000 draws against the softmax: chi-squared with 7 degrees of freedom exceeds 24.3 once in a thousand seeds.
    @Test(arguments: [Float(1), 0.5, 2]) func drawsFollowTheTemperedSoftmax(temperature: Float) {
        let logits: [Float] = [0.3, -1, 2, 0, 1.1, -0.4, 0.9, -2]
        var options = all
        options.temperature = temperature
        let counts = sample(logits, options, count: 100_000)
        let weights = logits.map { exp(Double($0 / temperature)) }
        let total = weights.reduce(0, +)
        var chiSquared = 0.0
        for (count, weight) in zip(counts, weights) {
            let expected = 100_000 * weight / total
            chiSquared += (Double(count) - expected) * (Double(count) - expected) / expected
        }
        #expect(chiSquared < 24.3)
    }

    @Test func topKKeepsTheMostLikely() {
        var options = all
        options.topK = 3
        let counts = sample([5, 1, 4, 4.5, 3, 4.4], options, count: 5_000)
        #expect(counts.map { $0 > 0 } == [true, false, false, true, false, true])
    }

    @Test func topKLargerThanTheVocabularyKeepsAll() {
        var options = all
        options.topK = 100
        #expect(sample([1, 1, 1], options, count: 1_000).allSatisfy { $0 > 0 })
    }

    /// Probabilities 0.5, 0.25, 0.125, 0.125: the smallest set of at least 0.7 is the first two.
    @Test func topPKeepsTheSmallestSufficientSet() {
        var options = all
        options.topP = 0.7
        let logits: [Float] = [0.25, 0.5, 0.125, 0.125].map { Float(log($0)) }
        #expect(sample(logits, options, count: 5_000).map { $0 > 0 } == [true, true, false, false])
    }

    @Test func minPDropsWhatIsFarBelowTheMostLikely() {
        var options = all
        options.minP = 0.3
        let logits: [Float] = [0.5, 0.2, 0.16, 0.14].map { Float(log($0)) }
        #expect(sample(logits, options, count: 5_000).map { $0 > 0 } == [true, true, true, false])
    }

    @Test func aSeedGivesTheSameTokensAndAnotherSeedOthers() {
        let logits = (0..<100).map { Float(($0 * 37) % 11) * 0.2 }
        func tokens(seed: UInt64) -> [UInt32] {
            var options = all
            options.seed = seed
            var sampler = Sampler(options)
            return logits.withUnsafeBufferPointer { row in (0..<50).map { _ in sampler.sample(row) } }
        }
        #expect(tokens(seed: 1) == tokens(seed: 1))
        #expect(tokens(seed: 1) != tokens(seed: 2))
    }

    @Test func mostLikelyIsAPrefixOfTheSortedVocabulary() {
        let logits = (0..<1_000).map { Float(($0 * 7_919) % 251) }
        let sorted = logits.indices.sorted { (logits[$0], $1) > (logits[$1], $0) }
        for count in [1, 2, 40, 999, 1_000, 2_000] {
            let found = logits.withUnsafeBufferPointer { Sampler.mostLikely($0, count: count).map { Int($0.token) } }
            #expect(found == Array(sorted.prefix(count)))
        }
    }

    @Test func unitNumbersLieInTheirRange() {
        var random = RandomSource(seed: 3)
        var sum: Float = 0
        for _ in 0..<10_000 {
            let number = random.nextUnit()
            #expect(number >= 0 && number < 1)
            sum += number
        }
        #expect(abs(sum / 10_000 - 0.5) < 0.02)
    }

    @Test func allTokensComeInOrder() {
        var random = RandomSource(seed: 11)
        var logits = (0..<5000).map { _ in Float(Int(random.next() % 2001) - 1000) / 64 }
        logits += [0, -0.0, .infinity, -.infinity, 0, .leastNonzeroMagnitude, -.leastNonzeroMagnitude]
        let found = logits.withUnsafeBufferPointer { sortedCandidates($0) }
        let expected = logits.enumerated().map { Candidate(token: UInt32($0), logit: $1) }
            .sorted(by: Candidate.precedes)
        #expect(found == expected)
        let odd: [Float] = [.nan, 1, -.nan, 3]
        #expect(odd.withUnsafeBufferPointer { sortedCandidates($0) }.map(\.token) == [3, 1, 0, 2])
    }
}
