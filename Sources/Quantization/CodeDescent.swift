/// Cyclic coordinate descent on the codes with the scales left as they are: each weight in turn goes to the level that is
/// best for the objective while all others stay. Behdin et al. 2023 (QuantEase), section 3.
///
/// For column k the best value is q_k + (e (H + damping))_k / (H_kk + damping), rounded to the grid. Strips of 16 columns
/// take what all columns say from the product kernel; inside, columns follow one another.
struct CodeDescent {
    let objective: OutputObjective
    /// The most passes over all columns; it ends sooner when a pass changes nothing.
    let sweeps: Int

    func run(_ rows: RowTiles) {
        for _ in 0..<sweeps {
            var changed = false
            objective.forEachStrip(rows) { first, count, slopes in
                for index in 0..<rows.tiles where descend(rows, index, first: first, count: count, slopes: slopes) {
                    changed = true
                }
            }
            if !changed { return }
        }
    }

    /// One strip of one tile; returns whether a level changed.
    private func descend(
        _ rows: RowTiles, _ index: Int, first: Int, count: Int, slopes: UnsafeMutablePointer<Float>
    ) -> Bool {
        let tile = ProductKernel.tile
        let weights = rows.weights(index)
        let levels = rows.levels(index)
        let scales = rows.scales(index)
        let errors = rows.errors(index)
        let slopes = slopes + index * tile
        var changed = false
        for place in 0..<count {
            let column = first + place
            let row = objective.matrix + column * objective.stride
            let curvature = row[column] + objective.damping
            guard curvature > 0 else { continue }
            let error = errors.lanes(column * tile)
            let slope = slopes.lanes(place * rows.tiles * tile) + error * objective.damping
            let scale = scales.lanes(column / rows.groupSize * tile)
            let level = levels.lanes(column * tile)
            let best = rows.grid.nearest(scale * level + slope / curvature, scale: scale)
            guard best != level else { continue }
            changed = true
            let left = weights.lanes(column * tile) - scale * best
            levels.store(best, column * tile)
            errors.store(left, column * tile)
            let change = left - error
            for later in place + 1..<max(count, place + 1) {
                let at = later * rows.tiles * tile
                slopes.store(slopes.lanes(at) + change * row[first + later], at)
            }
        }
        return changed
    }
}
