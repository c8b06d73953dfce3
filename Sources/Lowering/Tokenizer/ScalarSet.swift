/// A set of Unicode scalar values as sorted, separate, non-adjacent ranges.
struct ScalarSet: Hashable, Sendable {
    /// One more than the last scalar value.
    static let limit: UInt32 = 0x110000

    private(set) var ranges: [Range<UInt32>]

    init() { ranges = [] }

    init(_ range: ClosedRange<UInt32>) { ranges = [range.lowerBound..<range.upperBound + 1] }

    init(_ value: UInt32) { self.init(value...value) }

    /// The union of ranges in any order.
    init(unsorted: [Range<UInt32>]) {
        ranges = []
        for range in unsorted.sorted(by: { $0.lowerBound < $1.lowerBound }) where !range.isEmpty {
            if let last = ranges.last, range.lowerBound <= last.upperBound {
                ranges[ranges.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                ranges.append(range)
            }
        }
    }

    /// All values that a property holds for.
    init(where holds: (UInt32) -> Bool) {
        ranges = []
        var start: UInt32?
        for value in 0..<ScalarSet.limit {
            if holds(value) {
                if start == nil { start = value }
            } else if let first = start {
                ranges.append(first..<value)
                start = nil
            }
        }
        if let start { ranges.append(start..<ScalarSet.limit) }
    }

    func union(_ other: ScalarSet) -> ScalarSet { ScalarSet(unsorted: ranges + other.ranges) }

    var inverted: ScalarSet {
        var result: [Range<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges {
            result.append(next..<range.lowerBound)
            next = range.upperBound
        }
        result.append(next..<ScalarSet.limit)
        return ScalarSet(unsorted: result)
    }

    func contains(_ value: UInt32) -> Bool {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound <= value { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].contains(value)
    }
}
