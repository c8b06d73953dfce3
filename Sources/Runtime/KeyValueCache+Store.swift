import Kernels
import Plans

extension KeyValueCache {
    /// Writes one head's keys of `count` rows, `stride` floats apart, to the slots from `slot` on.
    func storeKeys(
        _ values: UnsafePointer<Float>, stride: Int, count: Int, head: Int, slot: Int,
        kernels: UnsafePointer<lathe_kernels>
    ) {
        kernels.pointee.store_keys(
            element.packing.kernelPacking, values, stride, count, dimensions, keys(head: head), slot)
    }

    /// Writes one head's values of `count` rows, `stride` floats apart, to the slots from `slot` on.
    func storeValues(
        _ values: UnsafePointer<Float>, stride: Int, count: Int, head: Int, slot: Int,
        kernels: UnsafePointer<lathe_kernels>
    ) {
        kernels.pointee.store_values(
            element.packing.kernelPacking, values, stride, count, dimensions, self.values(head: head), slot)
    }

    /// Copies what one slot holds over another.
    func move(from source: Int, to destination: Int) {
        guard source != destination else { return }
        for head in 0..<heads {
            if holdsKeys { moveKey(head: head, from: source, to: destination) }
            values(head: head, from: destination).update(
                from: values(head: head, from: source),
                count: Int(lathe_value_bytes(element.packing.kernelPacking, dimensions)))
        }
    }

    private func moveKey(head: Int, from source: Int, to destination: Int) {
        let tile = Packing.tileRows
        let from = UnsafeMutableRawPointer(keys(head: head, fromTileAt: source))
        let to = UnsafeMutableRawPointer(keys(head: head, fromTileAt: destination))
        let (row, other) = (source % tile, destination % tile)
        switch element {
        case .float16, .float32:
            let bytes = element == .float32 ? 4 : 2
            for dimension in 0..<dimensions {
                (to + (dimension * tile + other) * bytes)
                    .copyMemory(from: from + (dimension * tile + row) * bytes, byteCount: bytes)
            }
        case .int8:
            // A group of 32 dimensions: 8 lines of 16 slots with 4 codes each, then 16 scales of 2 bytes.
            let codes = IntegerCodes.int8Symmetric
            for block in 0..<dimensions / Packing.blockColumns {
                let at = block * (codes.blockBytes + codes.numberBytes)
                for line in 0..<8 {
                    (to + at + (line * tile + other) * 4)
                        .copyMemory(from: from + at + (line * tile + row) * 4, byteCount: 4)
                }
                let scales = at + codes.blockBytes
                (to + scales + other * 2).copyMemory(from: from + scales + row * 2, byteCount: 2)
            }
        }
    }
}
