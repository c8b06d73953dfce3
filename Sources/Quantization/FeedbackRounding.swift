/// Rounding column by column, each column corrected for the errors of those before it: LDLQ of Chee et al. 2023 (QuIP),
/// section 3, which gives the codes of Frantar et al. 2022 (GPTQ).
///
/// Column k in the factorization's order rounds w_k + (W - Q)[:, <k] U[<k, k] to the nearest level. Strips of 16 columns
/// take what all earlier strips say from the product kernel; inside, columns follow one another.
struct FeedbackRounding {
    let factorization: Factorization

    /// Chooses levels for the scales that the rows have.
    func run(_ rows: RowTiles) {
        let tile = ProductKernel.tile
        let stride = factorization.stride
        let ordered = FloatMemory(count: rows.tiles * stride * tile)
        let feedback = FloatMemory(count: tile * tile)
        for first in Swift.stride(from: 0, to: rows.width, by: tile) {
            let count = min(tile, rows.width - first)
            for index in 0..<rows.tiles {
                let errors = ordered.start + index * stride * tile
                rows.kernel.multiply(
                    tiles: errors, range: 0..<1, columns: first, input: factorization.upper + first * stride,
                    inputStride: stride, rows: count, output: feedback.start, outputStride: tile)
                round(rows, index, first: first, count: count, errors: errors, feedback: feedback.start)
            }
        }
        rows.updateErrors()
    }

    /// The columns of one strip, one after another.
    private func round(
        _ rows: RowTiles, _ index: Int, first: Int, count: Int, errors: UnsafeMutablePointer<Float>,
        feedback: UnsafeMutablePointer<Float>
    ) {
        let tile = ProductKernel.tile
        let stride = factorization.stride
        let weights = rows.weights(index)
        let levels = rows.levels(index)
        let scales = rows.scales(index)
        let lower = factorization.upper
        for place in 0..<count {
            let column = factorization.order[first + place]
            let weight = weights.lanes(column * tile)
            let scale = scales.lanes(column / rows.groupSize * tile)
            let level = rows.grid.nearest(weight + feedback.lanes(place * tile), scale: scale)
            let error = weight - scale * level
            levels.store(level, column * tile)
            errors.store(error, (first + place) * tile)
            for later in place + 1..<max(count, place + 1) {
                let factor = lower[(first + later) * stride + first + place]
                feedback.store(feedback.lanes(later * tile) + error * factor, later * tile)
            }
        }
    }
}
