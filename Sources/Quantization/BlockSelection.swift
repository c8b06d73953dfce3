/// Which blocks of inputs a linear regression does best with where not all may be used.
///
/// Greedy: of the blocks that may still be chosen, the one that explains most of what the chosen ones leave of the targets is
/// next. Worked out in double precision on the second moments, of which each choice takes what it explains, in an order that
/// does not depend on threads.
public struct BlockSelection {
    /// In the order of choice.
    public let chosen: [Int]
    /// The share of the targets' energy that they leave unexplained, on the rows that the moments are of.
    public let error: Double

    /// Moments are those of rows that hold blocks of `size` inputs first and targets behind them. Block b belongs to group
    /// `groups[b]`; `most` of each group are chosen, or all where there are fewer. Inputs are penalized by `strength` times
    /// their mean energy.
    ///
    /// Throws `badShape` where the moments have no room for targets, `notFinite` where they are not, and
    /// `notPositiveDefinite` where the strength is too small for them.
    public init(
        _ moments: InputMoments, size: Int, groups: [Int], most: Int, strength: Double
    ) throws(QuantizationError) {
        let inputs = size * groups.count
        guard inputs > 0, inputs < moments.width else {
            throw .badShape(.moments, expected: inputs + 1, found: moments.width)
        }
        var rest = try Remainder(moments, inputs: inputs, size: size, strength: strength)
        let energy = rest.targetEnergy
        var (open, taken) = (Array(groups.indices), [Int: Int]())
        var chosen: [Int] = []
        while true {
            open.removeAll { taken[groups[$0], default: 0] >= most }
            guard !open.isEmpty else { break }
            let gains = rest.gains(of: open)
            guard let best = gains.indices.max(by: { (gains[$0], $1) < (gains[$1], $0) }), gains[best] >= 0 else {
                throw .notPositiveDefinite
            }
            let block = open.remove(at: best)
            try rest.take(block)
            chosen.append(block)
            taken[groups[block], default: 0] += 1
        }
        self.chosen = chosen
        error = energy > 0 ? max(0, rest.targetEnergy) / energy : 0
    }
}

/// Second moments without what the chosen blocks explain.
private struct Remainder {
    private let width: Int
    private let inputs: Int
    private let size: Int
    private var values: [Double]

    init(_ moments: InputMoments, inputs: Int, size: Int, strength: Double) throws(QuantizationError) {
        let (matrix, stride, width) = (moments.symmetric(), moments.stride, moments.width)
        for row in 0..<width where !Finiteness.holds(matrix + row * stride, width) { throw .notFinite(.moments) }
        (self.width, self.inputs, self.size) = (width, inputs, size)
        values = (0..<width * width).map { Double(matrix[$0 / width * stride + $0 % width]) }
        let penalty = strength * (0..<inputs).reduce(0) { $0 + values[$1 * width + $1] } / Double(inputs)
        for input in 0..<inputs { values[input * width + input] += penalty }
    }

    var targetEnergy: Double { (inputs..<width).reduce(0) { $0 + values[$1 * width + $1] } }

    /// What each of some blocks would explain; -1 where its moments are not positive definite.
    func gains(of blocks: [Int]) -> [Double] {
        var gains = [Double](repeating: -1, count: blocks.count)
        gains.withUnsafeMutableBufferPointer { gains in
            nonisolated(unsafe) let gains = gains
            ParallelPieces.perform(blocks.count) { index in
                guard let rows = explaining(blocks[index], columns: inputs..<width) else { return }
                gains[index] = rows.reduce(0) { $0 + $1 * $1 }
            }
        }
        return gains
    }

    /// Takes from all moments what a block explains.
    mutating func take(_ block: Int) throws(QuantizationError) {
        guard let rows = explaining(block, columns: 0..<width) else { throw .notPositiveDefinite }
        let (width, size) = (width, size)
        values.withUnsafeMutableBufferPointer { values in
            nonisolated(unsafe) let values = values
            ParallelPieces.perform(width, by: 32) { pieces in
                for row in pieces {
                    for index in 0..<size {
                        let factor = rows[index * width + row]
                        guard factor != 0 else { continue }
                        for column in 0..<width {
                            values[row * width + column] -= factor * rows[index * width + column]
                        }
                    }
                }
            }
        }
    }

    /// L^-1 times the block's rows in some columns, row after row, L L^T being the block's moments; nil where those are not
    /// positive definite.
    private func explaining(_ block: Int, columns: Range<Int>) -> [Double]? {
        let first = block * size
        var lower = [Double](repeating: 0, count: size * size)
        var rows = [Double](repeating: 0, count: size * columns.count)
        for row in 0..<size {
            for column in 0...row {
                var value = values[(first + row) * width + first + column]
                for index in 0..<column { value -= lower[row * size + index] * lower[column * size + index] }
                if column < row {
                    lower[row * size + column] = value / lower[column * size + column]
                } else {
                    guard value > 0, value.isFinite else { return nil }
                    lower[row * size + row] = value.squareRoot()
                }
            }
            let count = columns.count
            for column in 0..<count {
                rows[row * count + column] = values[(first + row) * width + columns.lowerBound + column]
            }
            for index in 0..<row {
                let factor = lower[row * size + index]
                for column in 0..<count { rows[row * count + column] -= factor * rows[index * count + column] }
            }
            for column in 0..<count { rows[row * count + column] /= lower[row * size + row] }
        }
        return rows
    }
}
