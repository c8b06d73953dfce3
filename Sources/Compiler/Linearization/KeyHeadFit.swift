import Models
import Plans
import Runtime

/// The part of a fit that belongs to one key head and its query heads.
///
/// For one row, (l, n) are the window's sum of exponentials and the values weighted with them, γ what the gate makes of the
/// window, f the features of its query, and S and z the sums of the keys' features with the values and by themselves:
/// o = (γ n + f S) / (γ l + f z). Gradients of S are summed from the last block to the first, as S is from the first to the
/// last.
final class KeyHeadFit: @unchecked Sendable {
    private let shape: DistantShape
    private let dimensions: Int
    /// Of each query head's error.
    private let weights: [Float]
    private(set) var keys: Adam
    private(set) var queries: Adam
    private(set) var gates: Adam

    init(
        shape: DistantShape, dimensions: Int, weights: [Float], keyMap: [Float], queryMap: [Float], gate: [Float]
    ) {
        self.shape = shape
        self.dimensions = dimensions
        self.weights = weights
        (keys, queries, gates) = (Adam(keyMap), Adam(queryMap), Adam(gate))
    }

    var keyMap: [Float] { keys.values }
    var queryMap: [Float] { queries.values }
    var gate: [Float] { gates.values }

    func step(rate: Float) {
        keys.step(rate: rate)
        queries.step(rate: rate)
        gates.step(rate: rate)
    }

    /// The weighted squared errors of the rows that see something behind the window: of the fitted attention and of its window
    /// alone, and the energy of what was wanted; the gradient of the first is added where that is asked for.
    func measure(
        _ chunk: AttentionHeads, keyHead: Int, addsGradient: Bool
    ) -> (fitted: Double, window: Double, energy: Double) {
        let features = 2 * shape.rows
        let count = chunk.positions / shape.block * shape.block
        let blocks = count / shape.block
        let kept = shape.length / shape.block
        guard blocks > kept else { return (0, 0, 0) }
        let table = features * (dimensions + 1)
        var keyFeatures = [Float](repeating: 0, count: count * features)
        // Behind each block, with those before it.
        var sums = [Float](repeating: 0, count: blocks * table)
        var slopes = addsGradient ? sums : []
        var total = (fitted: 0.0, window: 0.0, energy: 0.0)
        let row = RowScratch(
            features: features, dimensions: dimensions, near: shape.length + shape.sinks,
            scale: chunk.scale)
        chunk.keys[keyHead].withUnsafeBufferPointer { keyRows in
            chunk.values[keyHead].withUnsafeBufferPointer { valueRows in
                guard let keyRows = keyRows.baseAddress, let valueRows = valueRows.baseAddress else { return }
                keyFeatures.withUnsafeMutableBufferPointer { keyFeatures in
                    sums.withUnsafeMutableBufferPointer { sums in
                        slopes.withUnsafeMutableBufferPointer { slopes in
                            guard let keyFeatures = keyFeatures.baseAddress, let sums = sums.baseAddress else { return }
                            // An array without elements has an address too.
                            let slopes = addsGradient ? slopes.baseAddress : nil
                            for position in 0..<count {
                                makeFeatures(
                                    keys.values, 0, keyRows + position * dimensions,
                                    into: keyFeatures + position * features)
                            }
                            sum(keyFeatures, valueRows, blocks: blocks, into: sums)
                            for head in 0..<chunk.group {
                                for position in kept * shape.block..<count {
                                    let place = (position / shape.block - kept) * table
                                    measureRow(
                                        chunk, keyHead * chunk.group + head, head, position, keyRows, valueRows,
                                        sums + place,
                                        slopes.map { $0 + place }, row, &total)
                                }
                            }
                            if let slopes {
                                addKeyGradient(keyRows, valueRows, keyFeatures, slopes, blocks: blocks, kept: kept, row)
                            }
                        }
                    }
                }
            }
        }
        return total
    }

    /// Features of x under the map that begins at value `first`.
    private func makeFeatures(
        _ map: [Float], _ first: Int, _ x: UnsafePointer<Float>, into features: UnsafeMutablePointer<Float>
    ) {
        let rows = shape.rows
        map.withUnsafeBufferPointer { map in
            guard let start = map.baseAddress.map({ $0 + first }) else { return }
            for row in 0..<rows {
                let product = FloatRows.dot(start + row * dimensions, x, dimensions)
                (features[row], features[rows + row]) = (product, -product)
            }
        }
        for half in [features, features + rows] {
            var largest = half[0]
            for row in 1..<rows { largest = max(largest, half[row]) }
            var total: Float = 0
            for row in 0..<rows {
                half[row] = portableExponential(half[row] - largest)
                total += half[row]
            }
            for row in 0..<rows { half[row] /= total }
        }
    }

    /// What the products with a map change by: from the gradient of the features, in its place.
    private func mapGradient(
        _ features: UnsafePointer<Float>, _ slopes: UnsafeMutablePointer<Float>
    ) {
        let rows = shape.rows
        for start in [0, rows] {
            let mean = FloatRows.dot(features + start, slopes + start, rows)
            for row in start..<start + rows { slopes[row] = features[row] * (slopes[row] - mean) }
        }
        for row in 0..<rows { slopes[row] -= slopes[rows + row] }
    }

    /// Sums behind each block of the products of features and values, and of the features.
    private func sum(
        _ features: UnsafePointer<Float>, _ values: UnsafePointer<Float>, blocks: Int,
        into sums: UnsafeMutablePointer<Float>
    ) {
        let count = 2 * shape.rows
        let table = count * (dimensions + 1)
        for block in 0..<blocks {
            let place = sums + block * table
            if block > 0 { place.update(from: place - table, count: table) }
            for position in max(shape.sinks, block * shape.block)..<max(shape.sinks, (block + 1) * shape.block) {
                let row = features + position * count
                for feature in 0..<count {
                    FloatRows.add(
                        values + position * dimensions, times: row[feature], to: place + feature * dimensions,
                        dimensions)
                    place[count * dimensions + feature] += row[feature]
                }
            }
        }
    }

    /// One row of one query head: its errors, and their gradients where `slopes` has room for those of the sums.
    private func measureRow(
        _ chunk: AttentionHeads, _ queryHead: Int, _ head: Int, _ position: Int, _ keyRows: UnsafePointer<Float>,
        _ values: UnsafePointer<Float>, _ sums: UnsafePointer<Float>, _ slopes: UnsafeMutablePointer<Float>?,
        _ row: RowScratch, _ total: inout (fitted: Double, window: Double, energy: Double)
    ) {
        let (features, rows) = (2 * shape.rows, shape.rows)
        chunk.queries[queryHead].withUnsafeBufferPointer { queryRows in
            chunk.targets[queryHead].withUnsafeBufferPointer { targets in
                guard let query = queryRows.baseAddress.map({ $0 + position * dimensions }),
                    let target = targets.baseAddress.map({ $0 + position * dimensions })
                else { return }
                let first = (position / shape.block + 1) * shape.block - shape.length
                let near = row.attend(
                    query, position: position, first: first, sinks: shape.sinks, keyRows, values)
                makeFeatures(queries.values, head * rows * dimensions, query, into: row.features)
                let gate = head * (dimensions + 2)
                var exponent = gates.values[gate] + gates.values[gate + 1] * near.largest
                for index in 0..<dimensions { exponent += gates.values[gate + 2 + index] * query[index] }
                let limit = DistantSums.mostExponent
                let factor = portableExponential(max(-limit, min(limit, exponent)))
                // The denominator first, then the output in the place of the numerator.
                let masses = sums + features * dimensions
                let denominator = factor * near.sum + FloatRows.dot(row.features, masses, features)
                for index in 0..<dimensions { row.output[index] = factor * row.near[index] }
                for feature in 0..<features {
                    FloatRows.add(sums + feature * dimensions, times: row.features[feature], to: row.output, dimensions)
                }
                let weight = weights[head]
                var (error, window, energy): (Float, Float, Float) = (0, 0, 0)
                for index in 0..<dimensions {
                    row.output[index] /= denominator
                    let difference = row.output[index] - target[index]
                    let other = row.near[index] / near.sum - target[index]
                    error += difference * difference
                    window += other * other
                    energy += target[index] * target[index]
                    // The gradient of the numerator.
                    row.slope[index] = 2 * weight * difference / denominator
                }
                total.fitted += Double(weight * error)
                total.window += Double(weight * window)
                total.energy += Double(weight * energy)
                guard let slopes else { return }
                let slope = -FloatRows.dot(row.slope, row.output, dimensions)
                if abs(exponent) < limit {
                    let change = factor * (FloatRows.dot(row.slope, row.near, dimensions) + slope * near.sum)
                    gates.gradient[gate] += change
                    gates.gradient[gate + 1] += change * near.largest
                    for index in 0..<dimensions { gates.gradient[gate + 2 + index] += change * query[index] }
                }
                for feature in 0..<features {
                    let place = feature * dimensions
                    row.featureSlopes[feature] =
                        FloatRows.dot(sums + place, row.slope, dimensions) + slope * masses[feature]
                    FloatRows.add(row.slope, times: row.features[feature], to: slopes + place, dimensions)
                    slopes[features * dimensions + feature] += slope * row.features[feature]
                }
                mapGradient(row.features, row.featureSlopes)
                addOuter(row.featureSlopes, query, to: &queries.gradient, head * rows * dimensions)
            }
        }
    }

    /// The gradient of the keys' map, from that of the sums that rows of each block start from.
    private func addKeyGradient(
        _ keyRows: UnsafePointer<Float>, _ values: UnsafePointer<Float>, _ features: UnsafePointer<Float>,
        _ slopes: UnsafeMutablePointer<Float>, blocks: Int, kept: Int, _ row: RowScratch
    ) {
        let count = 2 * shape.rows
        let table = count * (dimensions + 1)
        for block in (0..<blocks - kept).reversed() {
            let place = slopes + block * table
            if block < blocks - kept - 1 { FloatRows.add(place + table, times: 1, to: place, table) }
            for position in max(shape.sinks, block * shape.block)..<max(shape.sinks, (block + 1) * shape.block) {
                for feature in 0..<count {
                    row.featureSlopes[feature] =
                        FloatRows.dot(place + feature * dimensions, values + position * dimensions, dimensions)
                        + place[count * dimensions + feature]
                }
                mapGradient(features + position * count, row.featureSlopes)
                addOuter(row.featureSlopes, keyRows + position * dimensions, to: &keys.gradient, 0)
            }
        }
    }

    private func addOuter(
        _ slopes: UnsafePointer<Float>, _ x: UnsafePointer<Float>, to gradient: inout [Float], _ first: Int
    ) {
        gradient.withUnsafeMutableBufferPointer { gradient in
            guard let start = gradient.baseAddress.map({ $0 + first }) else { return }
            for row in 0..<shape.rows { FloatRows.add(x, times: slopes[row], to: start + row * dimensions, dimensions) }
        }
    }
}

/// What one row is worked out in.
private final class RowScratch {
    let features: UnsafeMutablePointer<Float>
    let featureSlopes: UnsafeMutablePointer<Float>
    /// Values of the window, weighted.
    let near: UnsafeMutablePointer<Float>
    let output: UnsafeMutablePointer<Float>
    let slope: UnsafeMutablePointer<Float>
    private let scores: UnsafeMutablePointer<Float>
    private let dimensions: Int
    private let scale: Float
    private let base: UnsafeMutablePointer<Float>

    init(features count: Int, dimensions: Int, near positions: Int, scale: Float) {
        (self.dimensions, self.scale) = (dimensions, scale)
        let floats = 2 * count + 3 * dimensions + positions
        base = .allocate(capacity: floats)
        base.initialize(repeating: 0, count: floats)
        features = base
        featureSlopes = features + count
        near = featureSlopes + count
        output = near + dimensions
        slope = output + dimensions
        scores = slope + dimensions
    }

    deinit { base.deallocate() }

    /// Softmax of a row over its window and the sinks before it, not divided: the largest score and the sum of exponentials;
    /// the weighted values are left in `near`.
    func attend(
        _ query: UnsafePointer<Float>, position: Int, first: Int, sinks: Int, _ keys: UnsafePointer<Float>,
        _ values: UnsafePointer<Float>
    ) -> (largest: Float, sum: Float) {
        let sinks = min(sinks, first)
        let count = sinks + position + 1 - first
        var largest = -Float.infinity
        for index in 0..<count {
            let place = index < sinks ? index : first + index - sinks
            scores[index] = scale * FloatRows.dot(query, keys + place * dimensions, dimensions)
            largest = max(largest, scores[index])
        }
        near.update(repeating: 0, count: dimensions)
        var sum: Float = 0
        for index in 0..<count {
            let place = index < sinks ? index : first + index - sinks
            let weight = portableExponential(scores[index] - largest)
            sum += weight
            FloatRows.add(values + place * dimensions, times: weight, to: near, dimensions)
        }
        return (largest, sum)
    }
}
