import Kernels
import Plans

/// The keys and values of one softmax-attention layer: committed slots first, then the slots of the step under way.
///
/// Per head, keys are a packed matrix (its rows the slots, its columns the dimensions) and values are rows (kernels.h), so
/// that one head's cache is two sequential streams. Slots that were never written hold zeros: all of it is finite.
struct KeyValueCache: ~Copyable {
    let heads: Int
    let dimensions: Int
    let element: CacheElement
    private let keyTileBytes: Int
    private let valueBytes: Int
    private let headBytes: (keys: Int, values: Int)
    private let storage: PageStorage

    /// Room for `slots` slots. Throws `cacheElement` where the element does not allow the dimensions, or `outOfMemory`.
    init(heads: Int, dimensions: Int, element: CacheElement, slots: Int) throws(RuntimeError) {
        let sizes = try KeyValueCache.sizes(heads: heads, dimensions: dimensions, element: element, slots: slots)
        storage = try PageStorage(byteCount: sizes.byteCount)
        self.heads = heads
        self.dimensions = dimensions
        self.element = element
        headBytes = sizes.head
        keyTileBytes = sizes.keyTile
        valueBytes = Int(lathe_value_bytes(element.packing.kernelPacking, dimensions))
    }

    private static func sizes(
        heads: Int, dimensions: Int, element: CacheElement, slots: Int
    ) throws(RuntimeError) -> (keyTile: Int, head: (keys: Int, values: Int), byteCount: Int) {
        guard element.allows(dimensions: dimensions), let keyTile = element.packing.tileBytes(columns: dimensions)
        else { throw .cacheElement(element, dimensions: dimensions) }
        let state = MixerState.keysAndValues(heads: heads, dimensions: dimensions, element: element)
        guard let head = element.headBytes(slots: slots, dimensions: dimensions),
            let byteCount = state.byteCount(slots: slots)
        else { throw .outOfMemory(bytes: Int.max) }
        return (keyTile, head, byteCount)
    }

    /// Bytes that one position takes.
    var bytesPerPosition: Int { heads * element.slotBytes(dimensions: dimensions) }

    /// Packed keys of one head from the tile of 16 slots that begins at `slot` on.
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
