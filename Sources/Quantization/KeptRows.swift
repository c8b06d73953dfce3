/// The best levels and scales of each row so far: what made a row's objective larger is taken back.
struct KeptRows {
    private let rows: RowTiles
    private let objective: OutputObjective
    private let levels: FloatMemory
    private let scales: FloatMemory
    private var errors: [Double]

    /// Remembers the rows as they are.
    init(_ rows: RowTiles, _ objective: OutputObjective) {
        self.rows = rows
        self.objective = objective
        levels = FloatMemory(count: rows.tiles * rows.stride * ProductKernel.tile)
        scales = FloatMemory(count: rows.tiles * rows.groups * ProductKernel.tile)
        levels.start.update(from: rows.levels(0), count: levels.count)
        scales.start.update(from: rows.scales(0), count: scales.count)
        errors = objective.errors(rows)
    }

    /// Keeps the rows whose objective fell since the last call, and takes the others back to what they were then.
    mutating func keepBetter() {
        let tile = ProductKernel.tile
        let now = objective.errors(rows)
        var isWorse = false
        for index in 0..<rows.tiles {
            var better = SIMDMask<SIMD16<Int32>>(repeating: false)
            for row in 0..<tile where now[index * tile + row] < errors[index * tile + row] {
                better[row] = true
                errors[index * tile + row] = now[index * tile + row]
            }
            isWorse = isWorse || better != SIMDMask(repeating: true)
            settle(rows.levels(index), levels.start + index * rows.stride * tile, rows.stride, better)
            settle(rows.scales(index), scales.start + index * rows.groups * tile, rows.groups, better)
        }
        if isWorse { rows.updateErrors() }
    }

    /// Both take over what is new in the better lanes and what is kept in the others.
    private func settle(
        _ new: UnsafeMutablePointer<Float>, _ kept: UnsafeMutablePointer<Float>, _ count: Int,
        _ better: SIMDMask<SIMD16<Int32>>
    ) {
        for place in Swift.stride(from: 0, to: count * ProductKernel.tile, by: ProductKernel.tile) {
            let values = kept.lanes(place).replacing(with: new.lanes(place), where: better)
            kept.store(values, place)
            new.store(values, place)
        }
    }
}
