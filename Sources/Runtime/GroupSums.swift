import Plans

/// What closing rows of a step add up to, for one grouped attention at a time (`StepGroups`): for each of them and each head
/// dimensions times dimensions values.
struct GroupSums: ~Copyable {
    private let heads: Int
    private let sumBytes: Int
    private let storage: PageStorage

    /// Room for as many closing rows as a step has rows; pages of it are taken when they are needed. Throws `outOfMemory`.
    init(program: Program) throws(RuntimeError) {
        var (heads, bytes) = (0, 0)
        for state in program.states where state.holdsSums {
            heads = max(heads, state.heads)
            bytes = max(bytes, state.sumBytes ?? 0)
        }
        (self.heads, sumBytes) = (heads, bytes)
        let each = heads.multipliedReportingOverflow(by: bytes)
        let all = each.partialValue.multipliedReportingOverflow(by: program.maximumRows)
        storage = try PageStorage(byteCount: each.overflow || all.overflow ? Int.max : all.partialValue)
    }

    /// The sums of one head behind a closing row, by its place among all.
    func sums(_ closing: Int, head: Int) -> UnsafeMutablePointer<Float> {
        (storage.base + (closing * heads + head) * sumBytes).assumingMemoryBound(to: Float.self)
    }
}
