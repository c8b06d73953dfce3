import Testing

@testable import Decoding

@Suite struct GreedyDivergenceTests {
    @Test(
        "mean, median and the number that never diverges",
        arguments: [
            ([5], 5, 5, 0), ([8], 8, 8, 1), ([0, 8], 4, 4, 1), ([8, 1, 2], 11.0 / 3, 2, 1),
            ([8, 0, 3, 8], 4.75, 5.5, 2),
            ([7, 7, 0, 1, 2], 3.4, 2, 0),
        ] as [([Int], Double, Double, Int)])
    func statistics(prefixes: [Int], mean: Double, median: Double, neverDiverged: Int) {
        var divergence = GreedyDivergence(limit: 8)
        for prefix in prefixes { divergence.add(prefix: prefix) }
        #expect(divergence.prefixes == prefixes)
        #expect(divergence.mean == mean)
        #expect(divergence.median == median)
        #expect(divergence.neverDiverged == neverDiverged)
    }

    @Test func nothingScoredIsNoNumber() {
        let divergence = GreedyDivergence(limit: 0)
        #expect(divergence.mean.isNaN && divergence.median.isNaN && divergence.neverDiverged == 0)
        #expect(divergence.limit == 1)
    }
}
