@testable import Quantization

/// The method in double precision, straight from the papers, one number after another.
enum Reference {
    /// H = (U + I) D (U + I)^T, column by column from the last: no strips, no kernels.
    static func factor(_ matrix: [[Double]]) -> (upper: [[Double]], pivots: [Double]) {
        let size = matrix.count
        var upper = [[Double]](repeating: [Double](repeating: 0, count: size), count: size)
        var pivots = [Double](repeating: 0, count: size)
        for column in (0..<size).reversed() {
            var pivot = matrix[column][column]
            for later in column + 1..<max(size, column + 1) {
                pivot -= upper[column][later] * upper[column][later] * pivots[later]
            }
            pivots[column] = pivot
            for row in 0..<column {
                var value = matrix[row][column]
                for later in column + 1..<max(size, column + 1) {
                    value -= upper[row][later] * pivots[later] * upper[column][later]
                }
                upper[row][column] = value / pivot
            }
        }
        return (upper, pivots)
    }

    /// H with its rows and columns in `order` and `damping` on the diagonal.
    static func ordered(_ matrix: [[Double]], _ order: [Int], damping: Double) -> [[Double]] {
        order.map { row in order.map { column in matrix[row][column] + (row == column ? damping : 0) } }
    }

    /// LDLQ (QuIP, section 3) of one row, with the scales given: codes in the order of the columns, and how near any
    /// choice came to a tie, in levels.
    static func round(
        _ weights: [Double], scales: [Double], upper: [[Double]], order: [Int], grid: Grid, groupSize: Int
    ) -> (codes: [UInt8], nearestTie: Double) {
        var codes = [UInt8](repeating: 0, count: weights.count)
        var errors = [Double](repeating: 0, count: weights.count)
        var nearestTie = Double.infinity
        for place in order.indices {
            let column = order[place]
            let scale = scales[column / groupSize]
            var target = weights[column]
            for earlier in 0..<place { target += errors[earlier] * upper[earlier][place] }
            let distances = (0..<grid.count).map { abs(target / scale - Double(grid.level(UInt8($0)))) }
            let sorted = distances.sorted()
            let code = distances.firstIndex(of: sorted[0]) ?? 0
            nearestTie = min(nearestTie, sorted[1] - sorted[0])
            codes[column] = UInt8(code)
            errors[place] = weights[column] - scale * Double(grid.level(UInt8(code)))
        }
        return (codes, nearestTie)
    }
}
