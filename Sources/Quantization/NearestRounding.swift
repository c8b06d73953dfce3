/// Plain rounding: a group's largest magnitude becomes the grid's highest level, and every weight the level nearest to it.
enum NearestRounding {
    static func round(_ rows: RowTiles) {
        for tile in 0..<rows.tiles {
            let weights = rows.weights(tile)
            for group in 0..<rows.groups {
                let largest = LargestMagnitude.of(weights, columns: rows.columns(ofGroup: group))
                let scale = rows.kernel.roundedToHalf(largest / rows.grid.highest)
                rows.scales(tile).store(scale, group * ProductKernel.tile)
            }
        }
        rows.roundToNearest()
    }
}

/// The largest magnitude that each row of a tile has in a group.
enum LargestMagnitude {
    static func of(_ weights: UnsafeMutablePointer<Float>, columns: Range<Int>) -> Lanes {
        var largest = Lanes()
        for column in columns {
            let values = weights.lanes(column * ProductKernel.tile)
            let magnitudes = values.replacing(with: -values, where: values .< 0)
            largest.replace(with: magnitudes, where: magnitudes .> largest)
        }
        return largest
    }
}
