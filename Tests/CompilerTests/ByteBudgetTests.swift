import Testing

@testable import Compiler

@Suite("Choosing options within a budget")
struct ByteBudgetTests {
    /// Units with options that get larger and, as a rule, better.
    private static func units(_ count: Int, options: Int, seed: UInt64) -> [ByteBudget.Unit] {
        var random = SystemlessRandom(state: seed)
        return (0..<count).map { _ in
            var (bytes, cost) = (10 + Int(random.next() % 50), 100.0)
            var unit = (bytes: [Int](), costs: [Double]())
            for _ in 0..<options {
                unit.bytes.append(bytes)
                unit.costs.append(cost)
                bytes += 1 + Int(random.next() % 40)
                // Now and then a larger option is worse.
                cost *= 0.2 + Double(random.next() % 90) / 100
            }
            return ByteBudget.Unit(bytes: unit.bytes, costs: unit.costs)
        }
    }

    /// The least cost within a limit, by trying everything.
    private func best(_ units: [ByteBudget.Unit], limit: Int) -> Double {
        guard let unit = units.first else { return 0 }
        let rest = Array(units.dropFirst())
        return unit.bytes.indices.filter { unit.bytes[$0] <= limit }
            .map { unit.costs[$0] + best(rest, limit: limit - unit.bytes[$0]) }.min() ?? .infinity
    }

    private func total(_ units: [ByteBudget.Unit], _ choice: [Int]) -> (bytes: Int, cost: Double) {
        zip(units, choice).reduce((0, 0)) { ($0.0 + $1.0.bytes[$1.1], $0.1 + $1.0.costs[$1.1]) }
    }

    @Test("stays within the limit, and near what trying everything finds", arguments: 1...12)
    func nearBest(_ seed: UInt64) throws {
        let units = Self.units(5, options: 4, seed: seed)
        let budget = ByteBudget(units: units)
        let largest = units.reduce(0) { $0 + ($1.bytes.max() ?? 0) }
        var ratios: [Double] = []
        for limit in stride(from: budget.smallest, through: largest, by: 3) {
            let choice = try #require(budget.choose(within: limit))
            let found = total(units, choice)
            #expect(found.bytes <= limit)
            ratios.append(found.cost / best(units, limit: limit))
        }
        #expect(ratios.allSatisfy { $0 >= 1 - 1e-12 })
        #expect(ratios.reduce(0, +) / Double(ratios.count) < 1.15)
        let most = try #require(budget.choose(within: largest))
        #expect(
            abs(total(units, most).cost - best(units, limit: largest)) < 1e-9, "with room for all, the best of each")
    }

    @Test("nothing fits below the smallest options, and exactly they fit there")
    func smallest() {
        let units = Self.units(6, options: 3, seed: 5)
        let budget = ByteBudget(units: units)
        #expect(budget.choose(within: budget.smallest - 1) == nil)
        #expect(budget.choose(within: budget.smallest).map { total(units, $0).bytes } == budget.smallest)
    }

    @Test("the hull leaves out what a mix of others beats")
    func hull() {
        let unit = ByteBudget.Unit(bytes: [10, 20, 30, 40, 40], costs: [8, 7, 2, 3, 1])
        #expect(ByteBudget.hull(of: unit) == [0, 2, 4])
    }
}

/// A generator that gives the same numbers everywhere (SplitMix64).
struct SystemlessRandom: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
