import Dispatch
import Models
import Plans

/// Fits grouped linear attention to what softmax over everything returns: the factor of the groups before, which all heads
/// share, and the taps of each head, by least squares in one go, since the outputs are linear in them.
final class GroupedFit {
    private let group: Int
    private let taps: Int
    private var systems: [TapSystem]

    /// `taps` of each query head; `attention` tells how many of those there are.
    init(group: Int, taps: Int, attention: Attention) {
        self.group = group
        self.taps = taps
        systems = (0..<attention.queryHeads).map { _ in TapSystem(taps: taps) }
    }

    func add(_ chunk: AttentionHeads) {
        let (group, taps) = (group, taps)
        let found = Results(count: chunk.queryHeads)
        DispatchQueue.concurrentPerform(iterations: chunk.queryHeads) { head in
            found.set(head, TapSystem(taps: taps, group: group, chunk, head: head))
        }
        for head in systems.indices { systems[head].add(found.values[head]) }
    }

    /// Nil where the systems are singular, or what solves them is not finite.
    func result() -> Models.GroupedAttention? {
        var (slope, energy) = (0.0, 0.0)
        var parts: [(values: [Double], sums: [Double])] = []
        for system in systems {
            guard let part = system.solved() else { return nil }
            slope += system.sumTarget - zip(system.sumTaps, part.values).reduce(0) { $0 + $1.0 * $1.1 }
            energy += system.sumEnergy - zip(system.sumTaps, part.sums).reduce(0) { $0 + $1.0 * $1.1 }
            parts.append(part)
        }
        let alpha = energy > 0 ? slope / energy : 0
        let convolution = parts.map { part in zip(part.values, part.sums).map { Float($0 - alpha * $1) } }
        guard alpha.isFinite, convolution.allSatisfy({ $0.allSatisfy(\.isFinite) }) else { return nil }
        return GroupedAttention(group: group, alpha: Float(alpha), taps: taps > 0 ? convolution : [])
    }

    /// Filled by several threads, each its own places.
    private final class Results: @unchecked Sendable {
        private(set) var values: [TapSystem]
        private let lock = DispatchQueue(label: "results")

        init(count: Int) { values = Array(repeating: TapSystem(taps: 0), count: count) }

        func set(_ index: Int, _ value: TapSystem) { lock.sync { values[index] = value } }
    }
}

/// The normal equations of one head: inputs are its last values, and what the groups before give with a factor of 1.
private struct TapSystem: Sendable {
    let taps: Int
    /// Products of values so many positions apart; the row's own value comes last.
    private var matrix: [Double]
    private var target: [Double]
    /// Products of the groups before with the values, with themselves and with the target.
    private(set) var sumTaps: [Double]
    private(set) var sumEnergy = 0.0
    private(set) var sumTarget = 0.0

    init(taps: Int) {
        self.taps = taps
        matrix = Array(repeating: 0, count: taps * taps)
        target = Array(repeating: 0, count: taps)
        sumTaps = target
    }

    init(taps: Int, group: Int, _ chunk: AttentionHeads, head: Int) {
        self.init(taps: taps)
        let (dimensions, count) = (chunk.dimensions, chunk.positions)
        let keyHead = head / chunk.group
        let queries = TapSystem.unit(chunk.queries[head], dimensions)
        let keys = TapSystem.unit(chunk.keys[keyHead], dimensions)
        let values = chunk.values[keyHead]
        var sums = [Float](repeating: 0, count: dimensions * dimensions)
        var (before, missing) = (
            [Float](repeating: 0, count: dimensions), [Float](repeating: 0, count: dimensions)
        )
        queries.withUnsafeBufferPointer { queries in
            keys.withUnsafeBufferPointer { keys in
                values.withUnsafeBufferPointer { values in
                    chunk.targets[head].withUnsafeBufferPointer { targets in
                        sums.withUnsafeMutableBufferPointer { sums in
                            before.withUnsafeMutableBufferPointer { before in
                                missing.withUnsafeMutableBufferPointer { missing in
                                    guard let queries = queries.baseAddress, let keys = keys.baseAddress,
                                        let values = values.baseAddress, let targets = targets.baseAddress,
                                        let sums = sums.baseAddress, let before = before.baseAddress,
                                        let missing = missing.baseAddress
                                    else { return }
                                    for position in 0..<count {
                                        let start = position / group * group
                                        if position == start, position > 0 {
                                            for other in start - group..<start {
                                                for index in 0..<dimensions {
                                                    FloatRows.add(
                                                        values + other * dimensions,
                                                        times: keys[other * dimensions + index],
                                                        to: sums + index * dimensions, dimensions)
                                                }
                                            }
                                        }
                                        let query = queries + position * dimensions
                                        before.update(repeating: 0, count: dimensions)
                                        for index in 0..<dimensions {
                                            FloatRows.add(
                                                sums + index * dimensions, times: query[index], to: before, dimensions)
                                        }
                                        missing.update(from: targets + position * dimensions, count: dimensions)
                                        for other in start...position {
                                            let product = max(
                                                0, FloatRows.dot(query, keys + other * dimensions, dimensions))
                                            FloatRows.add(
                                                values + other * dimensions, times: -product * product, to: missing,
                                                dimensions)
                                        }
                                        add(position, values, before, missing, dimensions)
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// One row's products.
    private mutating func add(
        _ position: Int, _ values: UnsafePointer<Float>, _ before: UnsafePointer<Float>,
        _ missing: UnsafePointer<Float>,
        _ dimensions: Int
    ) {
        sumEnergy += Double(FloatRows.dot(before, before, dimensions))
        sumTarget += Double(FloatRows.dot(before, missing, dimensions))
        for tap in max(0, taps - 1 - position)..<max(taps, 0) {
            let value = values + (position - (taps - 1 - tap)) * dimensions
            target[tap] += Double(FloatRows.dot(value, missing, dimensions))
            sumTaps[tap] += Double(FloatRows.dot(value, before, dimensions))
            for other in tap..<taps {
                let second = values + (position - (taps - 1 - other)) * dimensions
                matrix[tap * taps + other] += Double(FloatRows.dot(value, second, dimensions))
            }
        }
    }

    mutating func add(_ other: TapSystem) {
        for index in matrix.indices { matrix[index] += other.matrix[index] }
        for index in target.indices { target[index] += other.target[index] }
        for index in sumTaps.indices { sumTaps[index] += other.sumTaps[index] }
        sumEnergy += other.sumEnergy
        sumTarget += other.sumTarget
    }

    /// The taps for the target, and those for the groups before. Nil where the system is singular.
    func solved() -> (values: [Double], sums: [Double])? {
        // L L^T, from the upper triangle.
        var lower = [Double](repeating: 0, count: taps * taps)
        let penalty = 1e-6 * (0..<taps).reduce(0) { $0 + matrix[$1 * taps + $1] } / Double(max(1, taps))
        for column in 0..<taps {
            for row in column..<taps {
                var value = matrix[column * taps + row] + (row == column ? penalty : 0)
                for index in 0..<column { value -= lower[row * taps + index] * lower[column * taps + index] }
                if row == column {
                    guard value > 0, value.isFinite else { return nil }
                    lower[row * taps + column] = value.squareRoot()
                } else {
                    lower[row * taps + column] = value / lower[column * taps + column]
                }
            }
        }
        func solve(_ right: [Double]) -> [Double] {
            var values = right
            for row in 0..<taps {
                for index in 0..<row { values[row] -= lower[row * taps + index] * values[index] }
                values[row] /= lower[row * taps + row]
            }
            for row in (0..<taps).reversed() {
                for index in row + 1..<max(taps, row + 1) { values[row] -= lower[index * taps + row] * values[index] }
                values[row] /= lower[row * taps + row]
            }
            return values
        }
        return (solve(target), solve(sumTaps))
    }

    /// Rows brought to length 1.
    private static func unit(_ rows: [Float], _ dimensions: Int) -> [Float] {
        var result = rows
        for start in stride(from: 0, to: rows.count, by: dimensions) {
            let energy = rows[start..<start + dimensions].reduce(0) { $0 + $1 * $1 }
            let factor = 1 / (energy + Float(dimensions) * Plans.GroupedAttention.unitEpsilon).squareRoot()
            for index in start..<start + dimensions { result[index] *= factor }
        }
        return result
    }
}
