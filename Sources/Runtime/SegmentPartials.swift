import Plans
import Synchronization

/// Where threads leave what they made of the segments of a long context, and how many segments of each pair of a tile and
/// a key head are done, so that whoever finishes the last one merges them.
struct SegmentPartials: ~Copyable {
    /// Tiles of rows whose segments may be computed apart: as many as drafts and small trees have. More rows give enough
    /// work to share without.
    static let mostTiles = 4

    private let segments: Int
    private let pairs: Int
    private let partialFloats: Int
    private let finished: UnsafeMutablePointer<Atomic<Int>>
    private let storage: PageStorage

    /// Room for contexts of `capacity` positions. Throws `outOfMemory`.
    init(program: Program, capacity: Int) throws(RuntimeError) {
        var (pairs, floats) = (1, 1)
        for (tiling, keyHeads, dimensions) in program.attentions {
            pairs = max(pairs, SegmentPartials.mostTiles * keyHeads)
            floats = max(floats, AttentionPartial.floats(queries: tiling.queries, dimensions: dimensions))
        }
        // Sinks are a segment of their own.
        segments = (capacity + AttentionTiling.segment - 1) / AttentionTiling.segment + 1
        self.pairs = pairs
        partialFloats = floats
        storage = try PageStorage(byteCount: pairs * segments * floats * 4)
        finished = .allocate(capacity: pairs)
        for pair in 0..<pairs { (finished + pair).initialize(to: Atomic(0)) }
    }

    deinit {
        finished.deinitialize(count: pairs)
        finished.deallocate()
    }

    /// The partial of the segment with a place in the order of a step's (`AttentionSegments`).
    func partial(pair: Int, segment: Int, queries: Int) -> AttentionPartial {
        let floats = storage.base.assumingMemoryBound(to: Float.self)
        return AttentionPartial(floats + (pair * segments + segment) * partialFloats, queries: queries)
    }

    /// Tells that one of a pair's `count` segments is done; true for the last one, which sees what all others wrote.
    func finishesLast(pair: Int, of count: Int) -> Bool {
        guard finished[pair].add(1, ordering: .acquiringAndReleasing).newValue == count else { return false }
        // The barrier behind the instruction comes before the next count.
        finished[pair].store(0, ordering: .relaxed)
        return true
    }
}

extension Program {
    /// How each attention of the body is tiled, its heads of keys and values, and their dimensions.
    var attentions: [(tiling: AttentionTiling, keyHeads: Int, dimensions: Int)] {
        var found: [(tiling: AttentionTiling, keyHeads: Int, dimensions: Int)] = []
        for instruction in body {
            let (queryHeads, index): (Int, StateIndex)
            switch instruction {
            case .attend(let attention): (queryHeads, index) = (attention.queryHeads, attention.state)
            case .attendShared(let attention): (queryHeads, index) = (attention.headMap.count, attention.state)
            case .attendGrouped(let attention): (queryHeads, index) = (attention.queryHeads, attention.state)
            case .embed, .rotaryTable, .normalize, .quantize, .multiply, .multiplyMasks, .gate, .selectRows: continue
            }
            let state = states[index.value]
            found.append(
                (AttentionTiling(queryHeads: queryHeads, keyHeads: state.heads), state.heads, state.dimensions))
        }
        return found
    }
}
