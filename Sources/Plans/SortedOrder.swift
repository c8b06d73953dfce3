extension [Int] {
    /// Their indices, in the order of the values, equal ones in their own.
    @inline(never)
    public var sortedOrder: [Int] { indices.sorted { (self[$0], $0) < (self[$1], $1) } }
}
