import Plans

/// The keys and values of one softmax-attention layer: committed slots first, then the slots of the step under way.
///
/// Per head, keys lie in blocks of 16 slots (kernels.h, `scores_f16`), values in rows, so that one head's cache is two
/// sequential streams.
struct KeyValueCache: ~Copyable {
    let heads: Int
    let dimensions: Int
    let element: CacheElement
    /// Slots, a multiple of 16.
    let capacity: Int
    private let storage: PageStorage

    /// Room for `slots` slots. Throws `outOfMemory`.
    init(heads: Int, dimensions: Int, element: CacheElement, slots: Int) throws(RuntimeError) {
        self.heads = heads
        self.dimensions = dimensions
        self.element = element
        capacity = (slots + 15) / 16 * 16
        storage = try PageStorage(byteCount: 2 * heads * dimensions * capacity * element.bytes)
    }

    /// Bytes that one position takes.
    var bytesPerPosition: Int { 2 * heads * dimensions * element.bytes }

    /// Keys of one head from the block that holds `slot`, a multiple of 16.
    func keys(head: Int, fromBlockOf slot: Int) -> UnsafeMutableRawPointer {
        storage.base + (head * capacity + slot) * dimensions * element.bytes
    }

    /// Values of one head from `slot` on.
    func values(head: Int, from slot: Int) -> UnsafeMutableRawPointer {
        storage.base + ((heads + head) * capacity + slot) * dimensions * element.bytes
    }

    /// Element index, within a head's keys, of dimension 0 of a slot; the next dimension is 16 further.
    func keyIndex(slot: Int) -> Int { (slot & ~15) * dimensions + (slot & 15) }

    /// Copies the keys and values of one slot over another.
    func move(from source: Int, to destination: Int) {
        guard source != destination else { return }
        for head in 0..<heads {
            switch element {
            case .float16: moveKey(UInt16.self, head: head, from: source, to: destination)
            case .float32: moveKey(UInt32.self, head: head, from: source, to: destination)
            }
            values(head: head, from: destination).copyMemory(
                from: values(head: head, from: source), byteCount: dimensions * element.bytes)
        }
    }

    private func moveKey<Bits: BitwiseCopyable>(_: Bits.Type, head: Int, from source: Int, to destination: Int) {
        let keys = keys(head: head, fromBlockOf: 0).assumingMemoryBound(to: Bits.self)
        let (from, to) = (keyIndex(slot: source), keyIndex(slot: destination))
        for dimension in 0..<dimensions { keys[to + dimension * 16] = keys[from + dimension * 16] }
    }
}
