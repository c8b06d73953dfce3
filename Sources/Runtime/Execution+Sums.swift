import Kernels
import Plans

/// What a state's sums are of.
enum SummedKeys {
    /// Keys as they are.
    case plain
    /// Features of keys, which are weighed.
    case features(DistantOperands)

    /// Features that are summed by one thread: all of a map together.
    fileprivate func part(dimensions: Int) -> Int {
        switch self {
        case .plain: min(Execution.slice, dimensions)
        case .features(let operands): operands.features
        }
    }
}

/// Sums over groups of positions: of those that are committed, in the state, and of those that a step closes.
extension Execution {
    /// Rows of sums that are computed at once.
    static let slice = 16

    /// Adds the groups that every row of the step starts behind, and those of the last one did not, to the state's sums. All
    /// threads take part, before anything new is stored.
    func fold(_ groups: StepGroups, of keys: SummedKeys, cache: borrowing KeyValueCache) {
        let folded = cache.foldedGroups
        guard folded < groups.complete else { return }
        forEachPart(of: keys, cache) { head, part in
            let sums = cache.sums(head: head)
            for number in folded..<groups.complete {
                add(
                    groups.groups.positions(of: number), of: nil, to: number == 0 ? nil : sums, into: sums, head: head,
                    part, of: keys, cache: cache)
            }
        }
        engine.pool.barrier(thread: thread)
        if thread == 0 { cache.foldedGroups = groups.complete }
    }

    /// Finds what the step's closings add up to. All threads take part, behind a barrier.
    func close(_ groups: StepGroups, of keys: SummedKeys, cache: borrowing KeyValueCache) {
        guard !groups.closings.isEmpty else { return }
        forEachPart(of: keys, cache) { head, part in
            for (index, closing) in groups.closings.enumerated() {
                add(
                    groups.groups.positions(of: closing.group), of: closing.row,
                    to: base(closing.base, groups, head: head, cache: cache),
                    into: table(index, head: head, cache: cache), head: head, part, of: keys, cache: cache)
            }
        }
        engine.pool.barrier(thread: thread)
    }

    /// The sums that rows start from: those behind a closing, or the state's; nil where no group is in them.
    @inline(never)
    func base(
        _ closing: Int?, _ groups: StepGroups, head: Int, cache: borrowing KeyValueCache
    ) -> SumTable? {
        if let closing { return table(closing, head: head, cache: cache) }
        return groups.complete > 0 ? cache.sums(head: head) : nil
    }

    private func table(_ closing: Int, head: Int, cache: borrowing KeyValueCache) -> SumTable {
        session.groupSums.sums(closing, head: head, features: cache.features, dimensions: cache.dimensions)
    }

    /// Calls `body` with a head and some of its features, for all of them.
    private func forEachPart(
        of keys: SummedKeys, _ cache: borrowing KeyValueCache, _ body: (Int, Range<Int>) -> Void
    ) {
        let (features, part) = (cache.features, keys.part(dimensions: cache.dimensions))
        let parts = (features + part - 1) / part
        forEachUnit(of: cache.heads * parts) { unit in
            let first = unit % parts * part
            body(unit / parts, first..<min(first + part, features))
        }
    }

    /// sums = base + the sum over positions of each feature of `part` times the value, and of the feature where they are weighed.
    /// The positions are those of a row's path, or committed.
    @inline(never)
    private func add(
        _ positions: Range<Int>, of row: Int?, to base: SumTable?, into sums: SumTable, head: Int, _ part: Range<Int>,
        of keys: SummedKeys, cache: borrowing KeyValueCache
    ) {
        let scratch = session.scratch.attention(thread: thread)
        let (dimensions, stride) = (cache.dimensions, AttentionTiling.segment)
        for (index, position) in positions.enumerated() {
            let slot = cache.slots.slot(of: row.map { session.step.entry(at: position, of: $0) } ?? position)
            scratch.slots[index] = UInt32(slot)
        }
        switch keys {
        case .plain: gatherKeys(positions.count, head: head, part, cache: cache, scratch)
        case .features(let operands):
            let map = (head * operands.mapsPerHead + part.lowerBound / operands.features) * operands.mapRows
            findKeyFeatures(operands, positions.count, head: head, mapRow: map, cache: cache, scratch)
            for (index, feature) in part.enumerated() {
                var sum: Float = 0
                for position in 0..<positions.count { sum += scratch.keyColumns[index * stride + position] }
                sums.weights[feature] = (base?.weights[feature] ?? 0) + sum
            }
        }
        var operands = lathe_weighted_values()
        operands.packing = cache.element.packing.kernelPacking
        operands.dimensions = dimensions
        operands.values = UnsafePointer(cache.values(head: head))
        operands.slots = UnsafePointer(scratch.slots)
        operands.count = positions.count
        operands.weight_stride = stride
        operands.output = scratch.groupSums
        operands.output_stride = dimensions
        var first = 0
        while first < part.count {
            let count = min(Execution.slice, part.count - first)
            operands.weights = UnsafePointer(scratch.keyColumns + first * stride)
            operands.queries = count
            kernels.weigh_values(&operands)
            let start = (part.lowerBound + first) * dimensions
            for index in 0..<count * dimensions {
                sums.rows[start + index] = (base?.rows[start + index] ?? 0) + scratch.groupSums[index]
            }
            first += count
        }
    }

    /// Fills the scratch's columns with some dimensions of the keys in its first `count` slots.
    private func gatherKeys(
        _ count: Int, head: Int, _ part: Range<Int>, cache: borrowing KeyValueCache, _ scratch: AttentionScratch
    ) {
        for index in 0..<count {
            for (place, dimension) in part.enumerated() {
                scratch.keyColumns[place * AttentionTiling.segment + index] = cache.key(
                    head: head, slot: Int(scratch.slots[index]), dimension: dimension)
            }
        }
    }

    /// Fills the scratch's columns with all features of the keys in its first `count` slots.
    private func findKeyFeatures(
        _ operands: DistantOperands, _ count: Int, head: Int, mapRow: Int, cache: borrowing KeyValueCache,
        _ scratch: AttentionScratch
    ) {
        let dimensions = cache.dimensions
        for index in 0..<count {
            for dimension in 0..<dimensions {
                scratch.groupKeys[index * dimensions + dimension] = cache.key(
                    head: head, slot: Int(scratch.slots[index]), dimension: dimension)
            }
        }
        map(
            operands.keyMap, rows: mapRow..<mapRow + operands.mapRows, UnsafePointer(scratch.groupKeys),
            stride: dimensions, count: count, into: scratch.features, stride: operands.features)
        makeFeatures(operands, count: count, scratch)
        for index in 0..<count {
            for feature in 0..<operands.features {
                scratch.keyColumns[feature * AttentionTiling.segment + index] =
                    scratch.features[index * operands.features + feature]
            }
        }
    }
}

extension KeyValueCache {
    /// One element of a key; the cache is of floats.
    fileprivate func key(head: Int, slot: Int, dimension: Int) -> Float {
        let tile = UnsafeMutableRawPointer(keys(head: head, fromTileAt: slot))
        let place = dimension * Packing.tileRows + slot % Packing.tileRows
        return element == .float32
            ? tile.assumingMemoryBound(to: Float.self)[place]
            : lathe_f16_to_f32(tile.assumingMemoryBound(to: UInt16.self)[place])
    }
}
