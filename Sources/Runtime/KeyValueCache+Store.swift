import Kernels
import Plans

extension KeyValueCache {
    /// Writes one head's keys of the entries, `stride` floats apart.
    func storeKeys(
        _ values: UnsafePointer<Float>, stride: Int, entries: Range<Int>, head: Int,
        kernels: UnsafePointer<lathe_kernels>
    ) {
        slots.forEachRun(of: entries) { run, entry in
            kernels.pointee.store_keys(
                element.packing.kernelPacking, values + (entry - entries.lowerBound) * stride, stride, run.count,
                dimensions, keys(head: head), run.lowerBound)
        }
    }

    /// Writes one head's values of the entries, `stride` floats apart.
    func storeValues(
        _ values: UnsafePointer<Float>, stride: Int, entries: Range<Int>, head: Int,
        kernels: UnsafePointer<lathe_kernels>
    ) {
        slots.forEachRun(of: entries) { run, entry in
            kernels.pointee.store_values(
                element.packing.kernelPacking, values + (entry - entries.lowerBound) * stride, stride, run.count,
                dimensions, self.values(head: head), run.lowerBound)
        }
    }

    /// Makes entries of a path of the step's rows the next committed ones.
    func commit(_ path: [Int], after committed: Int) {
        // Paths rise, so an entry is never overwritten before it has moved.
        for (index, row) in path.enumerated() where row != index {
            copy(from: slots.slot(of: committed + row), to: slots.slot(of: committed + index))
        }
        slots.forEachSink(of: committed..<committed + path.count) { copy(from: $0, to: $1) }
    }

    /// Copies what one slot holds over another.
    private func copy(from source: Int, to destination: Int) {
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
