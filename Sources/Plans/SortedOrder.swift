extension [Int] {
    /// Their indices, in the order of the values, equal ones in their own.
    public var sortedOrder: [Int] { sortedIndices(count) { self[$0] < self[$1] } }
}

/// The indices below `count` in an order, equal ones in their own: a heap sort, one for whatever is sorted, since the
/// library's takes 2 KB of the runner for every type.
@inline(never)
public func sortedIndices(_ count: Int, by precedes: (Int, Int) -> Bool) -> [Int] {
    var indices = Array(0..<count)
    func isBefore(_ a: Int, _ b: Int) -> Bool { precedes(a, b) || (a < b && !precedes(b, a)) }
    // The root of the heap in ..<end is the last of its indices.
    func sink(_ start: Int, end: Int) {
        var parent = start
        while true {
            var last = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < end && isBefore(indices[last], indices[child]) {
                last = child
            }
            guard last != parent else { return }
            indices.swapAt(last, parent)
            parent = last
        }
    }
    var start = count / 2
    while start > 0 {
        start -= 1
        sink(start, end: count)
    }
    var end = count
    while end > 1 {
        end -= 1
        indices.swapAt(0, end)
        sink(0, end: end)
    }
    return indices
}
