import Kernels
import Plans

/// What the last attention that others use made of its scores, for every row of the step, query head and segment: the
/// exponentials in path order, at their place in the segment, the largest score and the sum. One donor's at a time.
struct KeptWeights: ~Copyable {
    private let storage: PageStorage
    /// Exponentials of so many segments come first, then their largest scores and sums.
    private let segments: Int

    /// Room for the rows of a step in sequences of up to `capacity` positions. Throws `outOfMemory`.
    init(program: Program, capacity: Int) throws(RuntimeError) {
        // A size that overflows is refused as one that is too large.
        let bytes = program.keptWeightBytes(capacity: capacity) ?? Int.max
        segments = bytes / Program.keptSegmentBytes
        storage = try PageStorage(byteCount: bytes)
    }

    var byteCount: Int { segments * Program.keptSegmentBytes }

    /// The memory of a step that sees `segments`, with so many query heads of the donor: without gaps, so that few rows or
    /// a short context touch little of it.
    func step(queryHeads: Int, segments: AttentionSegments) -> KeptStep {
        let base = storage.base.assumingMemoryBound(to: Float.self)
        return KeptStep(
            weights: base, sums: base + self.segments * AttentionTiling.segment, queryHeads: queryHeads,
            segments: segments)
    }
}

/// The kept weights of one step.
struct KeptStep {
    fileprivate let weights: UnsafeMutablePointer<Float>
    fileprivate let sums: UnsafeMutablePointer<Float>
    /// Of the donor.
    fileprivate let queryHeads: Int
    fileprivate let segments: AttentionSegments

    /// The exponentials of one segment, the place of its first position first, and its largest score and sum.
    func segment(
        _ segment: AttentionSegment, row: Int, head: Int
    ) -> (weights: UnsafeMutablePointer<Float>, sums: UnsafeMutablePointer<Float>) {
        let index = (row * queryHeads + head) * segments.count + segments.ordinal(of: segment)
        return (weights + index * AttentionTiling.segment, sums + index * 2)
    }
}

extension Session {
    /// The attention weights of one row of the last step, of one query head of the program's last attention whose weights
    /// others use: one for each position up to the row's own, 0 where it does not see that, their sum 1. Nil where there is
    /// no such attention, row or head. Meant for looking at a model, and slow.
    public func keptWeights(row: Int, head: Int) -> [Float]? {
        guard let donor = engine.program.donors.compactMap({ $0 }).last, step.rows.indices.contains(row),
            (0..<donor.queryHeads).contains(head)
        else { return nil }
        let kept = kept.step(
            queryHeads: donor.queryHeads, segments: AttentionSegments(window: donor.window, step: step))
        let count = step.keyCount(row: row)
        let (sinks, first) = donor.window?.reach(count: count) ?? (0, 0)
        var parts: [(positions: Range<Int>, weights: UnsafeMutablePointer<Float>, largest: Float, sum: Float)] = []
        func add(_ segment: AttentionSegment, _ visible: Range<Int>) {
            guard !visible.isEmpty else { return }
            let (weights, sums) = kept.segment(segment, row: row, head: head)
            parts.append((visible, weights - segment.start, sums[0], sums[1]))
        }
        add(.sinks, 0..<sinks)
        let length = AttentionTiling.segment
        for number in first / length..<(count - 1) / length + 1 {
            add(.positions(number), max(first, number * length)..<min(count, (number + 1) * length))
        }
        let largest = parts.reduce(-Float.infinity) { max($0, $1.largest) }
        let total = parts.reduce(Float(0)) { $0 + $1.sum * portableExponential($1.largest - largest) }
        var result = [Float](repeating: 0, count: count)
        for part in parts {
            let factor = portableExponential(part.largest - largest) / total
            for position in part.positions { result[position] = part.weights[position] * factor }
        }
        return result
    }
}

extension Execution {
    /// Keeps the weights of a tile's queries for the attentions that use them; they begin with position `low` of
    /// the segment.
    func keepWeights(
        _ attention: AttentionOperands, _ tile: AttentionTile, segment: AttentionSegment, from low: Int,
        _ scratch: AttentionScratch, _ partial: AttentionPartial
    ) {
        let step = keptStep(attention)
        for query in 0..<tile.queries {
            let (begin, end) = (Int(scratch.begins[query]), Int(scratch.ends[query]))
            guard begin < end else { continue }
            let kept = step.segment(segment, row: tile.row(of: query), head: tile.queryHead(of: query))
            (kept.weights + low + begin).update(
                from: scratch.scores + query * scratch.layout.scoreStride + begin, count: end - begin)
            kept.sums[0] = partial.largest[query]
            kept.sums[1] = partial.sums[query]
        }
    }

    /// Puts kept weights where `softmax_segment` would have put them, for `count` positions from `low` of the segment on.
    func loadWeights(
        _ attention: AttentionOperands, map: [Int], _ tile: AttentionTile, segment: AttentionSegment, from low: Int,
        count: Int, _ scratch: AttentionScratch, _ partial: AttentionPartial
    ) {
        let step = keptStep(attention)
        for query in 0..<tile.queries {
            let (begin, end) = (Int(scratch.begins[query]), Int(scratch.ends[query]))
            let weights = scratch.scores + query * scratch.layout.scoreStride
            guard begin < end else {
                weights.update(repeating: 0, count: count)
                (partial.largest[query], partial.sums[query]) = (0, 0)
                continue
            }
            let kept = step.segment(segment, row: tile.row(of: query), head: map[tile.queryHead(of: query)])
            weights.update(repeating: 0, count: begin)
            (weights + begin).update(from: kept.weights + low + begin, count: end - begin)
            (weights + end).update(repeating: 0, count: count - end)
            (partial.largest[query], partial.sums[query]) = (kept.sums[0], kept.sums[1])
        }
    }

    /// Both sides count the same segments: a receiver has as many query heads as its donor, and its window.
    private func keptStep(_ attention: AttentionOperands) -> KeptStep {
        session.kept.step(
            queryHeads: attention.queryHeads,
            segments: AttentionSegments(window: attention.window, step: session.step))
    }
}
