import Plans

/// The sums of one head: for each feature a row of `dimensions` values, its sum with the values, and behind all rows, where
/// they are weighed, each feature's sum by itself.
struct SumTable {
    let rows: UnsafeMutablePointer<Float>
    let weights: UnsafeMutablePointer<Float>

    init(_ base: UnsafeMutablePointer<Float>, features: Int, dimensions: Int) {
        (rows, weights) = (base, base + features * dimensions)
    }
}

/// What the closings of a step add up to, for one attention with sums at a time (`StepGroups`): for each of them and each
/// head a table.
struct GroupSums: ~Copyable {
    private let heads: Int
    private let sumBytes: Int
    private let storage: PageStorage

    /// Room for as many closings as a step has rows; pages of it are taken when they are needed. Throws `outOfMemory`.
    init(program: Program) throws(RuntimeError) {
        var (heads, bytes) = (0, 0)
        for state in program.states where state.sums != nil {
            heads = max(heads, state.heads)
            bytes = max(bytes, state.sumBytes ?? 0)
        }
        (self.heads, sumBytes) = (heads, bytes)
        let each = heads.multipliedReportingOverflow(by: bytes)
        let all = each.partialValue.multipliedReportingOverflow(by: program.maximumRows)
        storage = try PageStorage(byteCount: each.overflow || all.overflow ? Int.max : all.partialValue)
    }

    /// The sums of one head behind a closing, by its place among all.
    func sums(_ closing: Int, head: Int, features: Int, dimensions: Int) -> SumTable {
        let base = storage.base + (closing * heads + head) * sumBytes
        return SumTable(base.assumingMemoryBound(to: Float.self), features: features, dimensions: dimensions)
    }
}
