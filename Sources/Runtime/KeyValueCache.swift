import Kernels
import Plans

/// The keys and values of one attention layer, or its values alone where it has its weights from another one: of the
/// committed entries, and of the step under way (`CacheSlots`). With groups, the sums of those that are complete besides.
///
/// Per head, keys are a packed matrix (its rows the slots, its columns the dimensions) and values are rows (kernels.h), so
/// that one head's cache is two sequential streams. Slots that were never written hold zeros: all of it is finite.
struct KeyValueCache: ~Copyable {
    let heads: Int
    let dimensions: Int
    let element: CacheElement
    let holdsKeys: Bool
    /// Bytes that one position takes.
    let bytesPerPosition: Int
    let slots: CacheSlots
    /// How positions are gathered into sums; nil where there are none.
    let groups: PositionGroups?
    /// Features of a head that are summed.
    let features: Int
    private let keyTileBytes: Int
    private let valueBytes: Int
    private let headBytes: (keys: Int, values: Int)
    private let sumBytes: Int
    private let folded: UnsafeMutablePointer<Int>
    private let storage: PageStorage

    /// Slots of what `state` says. Throws `cacheElement` where the element does not allow the
    /// dimensions, or `outOfMemory`.
    init(_ state: MixerState, slots: CacheSlots, groups: PositionGroups?) throws(RuntimeError) {
        let sizes = try KeyValueCache.sizes(state, slots: slots.count)
        storage = try PageStorage(byteCount: sizes.byteCount)
        self.slots = slots
        self.groups = groups
        features = state.sums?.features ?? 0
        sumBytes = state.sumBytes ?? 0
        folded = .allocate(capacity: 1)
        folded.initialize(to: 0)
        heads = state.heads
        dimensions = state.dimensions
        element = state.element
        holdsKeys = state.holdsKeys
        bytesPerPosition = state.bytesPerPosition
        headBytes = sizes.head
        keyTileBytes = sizes.keyTile
        valueBytes = Int(lathe_value_bytes(state.element.packing.kernelPacking, state.dimensions))
    }

    deinit {
        folded.deallocate()
    }

    private static func sizes(
        _ state: MixerState, slots: Int
    ) throws(RuntimeError) -> (keyTile: Int, head: (keys: Int, values: Int), byteCount: Int) {
        guard state.element.allows(dimensions: state.dimensions),
            let keyTile = state.element.packing.tileBytes(columns: state.dimensions)
        else { throw .cacheElement(state.element, dimensions: state.dimensions) }
        guard let head = state.headBytes(slots: slots), let byteCount = state.byteCount(slots: slots) else {
            throw .outOfMemory(bytes: Int.max)
        }
        return (keyTile, head, byteCount)
    }

    /// Whether what it takes does not grow with the sequence.
    var isBounded: Bool { slots.isBounded || sumBytes > 0 }

    var byteCount: Int { heads * (headBytes.keys + headBytes.values + sumBytes) }

    /// Groups that are in the sums: those that every row of the last step started behind.
    var foldedGroups: Int {
        get { folded.pointee }
        nonmutating set { folded.pointee = newValue }
    }

    /// The sums of one head; they mean nothing before a group is in them.
    func sums(head: Int) -> SumTable {
        let base = storage.base + heads * (headBytes.keys + headBytes.values) + head * sumBytes
        return SumTable(base.assumingMemoryBound(to: Float.self), features: features, dimensions: dimensions)
    }

    /// Whether a sequence of which `entries` entries were ever written can go on behind `length` of them.
    func canTruncate(to length: Int, of entries: Int) -> Bool {
        guard slots.canTruncate(to: length, of: entries) else { return false }
        return length == 0 || foldedGroups <= groups?.summed(before: length) ?? foldedGroups
    }

    /// Packed keys of one head from the tile of 16 slots that begins at `slot` on; the cache holds keys.
    func keys(head: Int, fromTileAt slot: Int = 0) -> UnsafeMutablePointer<UInt8> {
        (storage.base + head * headBytes.keys + slot / Packing.tileRows * keyTileBytes)
            .assumingMemoryBound(to: UInt8.self)
    }

    /// Value rows of one head from `slot` on.
    func values(head: Int, from slot: Int = 0) -> UnsafeMutablePointer<UInt8> {
        (storage.base + heads * headBytes.keys + head * headBytes.values + slot * valueBytes)
            .assumingMemoryBound(to: UInt8.self)
    }
}
