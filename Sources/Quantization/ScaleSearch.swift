/// Scales for (row, group) pairs, each searched for by itself: the sum over the group of h_k (w_k - scale * level_k)^2 is
/// made small, h the diagonal of the inputs' second moments.
///
/// Candidates map a share of the group's largest magnitude to the outermost level, with either sign where the grid is not
/// the same on both sides. Each is followed by a refit by least squares with the levels left as they are. The best candidate
/// wins, the first among equals; then scales close to it are tried. Scales are halves before anything is measured with them.
struct ScaleSearch {
    /// Shares of the largest magnitude.
    private static let shares = (5...18).map { Float($0) / 16 }
    private static let refits = 1
    /// What the best scale is multiplied by at the end, to find a better one beside it.
    private static let neighbours = (-8...8).filter { $0 != 0 }.map { 1 + Float($0) / 192 }

    /// The importance of each input, in the order of the columns.
    let importance: [Float]

    func run(_ rows: RowTiles) {
        for tile in 0..<rows.tiles {
            for group in 0..<rows.groups { search(rows, tile: tile, group: group) }
        }
    }

    private func search(_ rows: RowTiles, tile: Int, group: Int) {
        let columns = rows.columns(ofGroup: group)
        let weights = rows.weights(tile)
        let unit = LargestMagnitude.of(weights, columns: columns) / -rows.grid.lowest
        var best = Lanes()
        var lowest = Lanes(repeating: .infinity)
        // Levels that lie alike on both sides give the same values with either sign.
        let isCentered = rows.grid.highest == -rows.grid.lowest
        for sign: Float in isCentered ? [1] : [1, -1] {
            for share in Self.shares {
                var scale = rows.kernel.roundedToHalf(unit * (sign * share))
                for refit in 0...Self.refits {
                    let fit = measure(rows.grid, weights, columns, scale)
                    let isBetter = fit.error .< lowest
                    lowest.replace(with: fit.error, where: isBetter)
                    best.replace(with: scale, where: isBetter)
                    if refit < Self.refits { scale = rows.kernel.roundedToHalf(scale + fit.correction) }
                }
            }
        }
        let found = best
        for factor in Self.neighbours {
            let scale = rows.kernel.roundedToHalf(found * factor)
            let fit = measure(rows.grid, weights, columns, scale)
            let isBetter = fit.error .< lowest
            lowest.replace(with: fit.error, where: isBetter)
            best.replace(with: scale, where: isBetter)
        }
        rows.scales(tile).store(best, group * ProductKernel.tile)
    }

    /// The weighted error of a scale with the levels nearest for it, and what least squares would add to the scale.
    private func measure(
        _ grid: LaneGrid, _ weights: UnsafeMutablePointer<Float>, _ columns: Range<Int>, _ scale: Lanes
    ) -> (error: Lanes, correction: Lanes) {
        let inverse = (1 / scale).replacing(with: 0, where: scale .== 0)
        var error = Lanes()
        var slope = Lanes()
        var curvature = Lanes()
        for column in columns {
            let weight = weights.lanes(column * ProductKernel.tile)
            let level = grid.nearest(weight * inverse)
            let rest = weight - scale * level
            let weighted = rest * importance[column]
            error += weighted * rest
            slope += weighted * level
            curvature += level * level * importance[column]
        }
        return (error, (slope / curvature).replacing(with: 0, where: curvature .== 0))
    }
}
