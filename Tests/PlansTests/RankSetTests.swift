import Testing

@testable import Plans

@Suite struct RankSetTests {
    @Test(arguments: [1, 63, 64, 65, 4096, 4097, 300_000])
    func neighboursAreThoseOfASortedArray(count: Int) {
        var ranks = RankSet(count: count)
        var members: Set<Int> = []
        var random: UInt64 = 7
        for _ in 0..<300 {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let rank = Int(random >> 33) % count
            if members.contains(rank) {
                ranks.remove(rank)
                members.remove(rank)
            } else {
                ranks.insert(rank)
                members.insert(rank)
            }
            let probe = Int(random >> 20 & 0xFFFFF) % count
            #expect(ranks.contains(probe) == members.contains(probe))
            #expect(ranks.last(before: probe) == members.filter { $0 < probe }.max())
            #expect(ranks.first(after: probe) == members.filter { $0 > probe }.min())
        }
    }
}
