/// What refinements make small: for each row of errors e, the sum e (H + damping) e^T.
struct OutputObjective {
    /// H, rows `stride` floats apart.
    let matrix: UnsafeMutablePointer<Float>
    let width: Int
    let stride: Int
    let damping: Float
    /// Keeps what `matrix` points to.
    private let moments: InputMoments

    init(_ moments: InputMoments, damping: Float) {
        self.moments = moments
        matrix = moments.symmetric()
        width = moments.width
        stride = moments.stride
        self.damping = damping
    }

    /// Calls `body(first, count, slopes)` for each strip of columns with (E H)[row, first + i] of row r of tile t at
    /// slopes[i * 16 * tiles + 16 t + r]. What `body` does to the errors is seen by later strips.
    func forEachStrip(_ rows: RowTiles, _ body: (Int, Int, UnsafeMutablePointer<Float>) -> Void) {
        let tile = ProductKernel.tile
        let slopes = FloatMemory(count: tile * tile * rows.tiles)
        for first in Swift.stride(from: 0, to: width, by: tile) {
            let count = min(tile, width - first)
            rows.kernel.multiply(
                tiles: rows.errors(0), range: 0..<rows.tiles, columns: stride, input: matrix + first * stride,
                inputStride: stride, rows: count, output: slopes.start, outputStride: tile * rows.tiles)
            body(first, count, slopes.start)
        }
    }

    /// The objective of every row, tile after tile, summed in double precision.
    func errors(_ rows: RowTiles) -> [Double] {
        let tile = ProductKernel.tile
        var sums = [Double](repeating: 0, count: rows.tiles * tile)
        sums.withUnsafeMutableBufferPointer { sums in
            forEachStrip(rows) { first, count, slopes in
                for index in 0..<rows.tiles {
                    for place in 0..<count {
                        let errors = rows.errors(index) + (first + place) * tile
                        let slope = slopes + (place * rows.tiles + index) * tile
                        for row in 0..<tile {
                            let error = Double(errors[row])
                            sums[index * tile + row] += error * (Double(slope[row]) + Double(damping) * error)
                        }
                    }
                }
            }
        }
        return sums
    }
}
