import Testing

@testable import Plans

@Suite struct SortedOrderTests {
    @Test(arguments: [0, 1, 2, 3, 10, 1000])
    func equalValuesKeepTheirOrder(count: Int) {
        var seed: UInt64 = 7
        let values = (0..<count).map { _ -> Int in
            seed = seed &* 6_364_136_223_846_793_005 &+ 1
            return Int(seed >> 60)
        }
        #expect(values.sortedOrder == values.indices.sorted { (values[$0], $0) < (values[$1], $1) })
        #expect(sortedIndices(count) { values[$0] > values[$1] } == (-values).sortedOrder)
    }

    @Test func anOrderThatIsNoneIsNoHarm() {
        #expect(sortedIndices(100) { _, _ in true }.sorted() == Array(0..<100))
        let values = (0..<50).map { $0 % 3 == 0 ? Float.nan : Float(50 - $0) }
        #expect(sortedIndices(50) { values[$0] < values[$1] }.sorted() == Array(0..<50))
    }
}

private prefix func - (values: [Int]) -> [Int] { values.map { -$0 } }
