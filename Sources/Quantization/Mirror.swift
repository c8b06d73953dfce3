/// Copies of one triangle of a square matrix into the other.
enum Mirror {
    /// matrix[j][i] = matrix[i][j] for all i < j; `size` is a multiple of 16.
    static func upperToLower(_ matrix: UnsafeMutablePointer<Float>, size: Int, threads: Int?) {
        let tile = ProductKernel.tile
        // Square by square, so that both sides stay in the cache.
        ParallelPieces.perform(size / tile, threads: threads) { strip in
            for block in 0...strip {
                for row in strip * tile..<(strip + 1) * tile {
                    for column in block * tile..<min((block + 1) * tile, row) {
                        matrix[row * size + column] = matrix[column * size + row]
                    }
                }
            }
        }
    }
}
