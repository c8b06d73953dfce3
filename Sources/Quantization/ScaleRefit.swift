/// A refit of a row's scales with its levels left as they are, for the whole objective: with L_g the row's levels in group
/// g and zeros elsewhere, the best change of the scales solves A change = r, A_gh = L_g (H + damping) L_h^T and
/// r_g = L_g (H + damping) e^T.
///
/// The system is relaxed scale by scale (Gauss-Seidel), and each scale goes to the half nearest to its best value, which
/// is the best half for it: so rounding is part of the solution, and no step raises the objective.
struct ScaleRefit {
    private static let sweeps = 8

    let objective: OutputObjective

    func run(_ rows: RowTiles) {
        let tile = ProductKernel.tile
        let system = FloatMemory(count: rows.groups * rows.groups * tile)
        let slopes = FloatMemory(count: rows.groups * tile)
        let products = FloatMemory(count: objective.stride * tile)
        for index in 0..<rows.tiles {
            for group in 0..<rows.groups {
                assemble(rows, index, group: group, system: system.start, slopes: slopes.start, products.start)
            }
            relax(rows, index, system: system.start, slopes: slopes.start)
        }
        rows.updateErrors()
    }

    /// Row `group` of A, and r_group.
    private func assemble(
        _ rows: RowTiles, _ index: Int, group: Int, system: UnsafeMutablePointer<Float>,
        slopes: UnsafeMutablePointer<Float>, _ products: UnsafeMutablePointer<Float>
    ) {
        let tile = ProductKernel.tile
        let levels = rows.levels(index)
        let errors = rows.errors(index)
        let columns = rows.columns(ofGroup: group)
        rows.kernel.multiply(
            tiles: levels + columns.lowerBound * tile, range: 0..<1, columns: columns.count,
            input: objective.matrix + columns.lowerBound, inputStride: objective.stride, rows: objective.width,
            output: products, outputStride: tile)
        for column in columns {
            let damped = levels.lanes(column * tile) * objective.damping
            products.store(products.lanes(column * tile) + damped, column * tile)
        }
        var slope = Lanes()
        for other in 0..<rows.groups {
            var sum = Lanes()
            for column in rows.columns(ofGroup: other) {
                let product = products.lanes(column * tile)
                sum += levels.lanes(column * tile) * product
                slope += errors.lanes(column * tile) * product
            }
            system.store(sum, (group * rows.groups + other) * tile)
        }
        slopes.store(slope, group * tile)
    }

    private func relax(
        _ rows: RowTiles, _ index: Int, system: UnsafeMutablePointer<Float>, slopes: UnsafeMutablePointer<Float>
    ) {
        let tile = ProductKernel.tile
        let scales = rows.scales(index)
        for _ in 0..<Self.sweeps {
            for group in 0..<rows.groups {
                let row = system + group * rows.groups * tile
                let curvature = row.lanes(group * tile)
                let scale = scales.lanes(group * tile)
                let slope = slopes.lanes(group * tile)
                let step = (slope / curvature).replacing(with: 0, where: curvature .<= 0)
                let refitted = rows.kernel.roundedToHalf(scale + step)
                let change = refitted - scale
                scales.store(refitted, group * tile)
                for other in 0..<rows.groups {
                    slopes.store(slopes.lanes(other * tile) - change * row.lanes(other * tile), other * tile)
                }
            }
        }
    }
}
