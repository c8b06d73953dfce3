import Kernels
import Plans

extension KeyValueCache {
    /// Writes one head's key, `dimensions` values, to a slot.
    func storeKey(_ values: UnsafePointer<Float>, head: Int, slot: Int, kernels: borrowing lathe_kernels) {
        let keys = keys(head: head, fromBlockOf: 0)
        let first = keyIndex(slot: slot)
        switch element {
        case .float16:
            let keys = keys.assumingMemoryBound(to: UInt16.self)
            for dimension in 0..<dimensions { keys[first + dimension * 16] = lathe_f32_to_f16(values[dimension]) }
        case .float32:
            let keys = keys.assumingMemoryBound(to: Float.self)
            for dimension in 0..<dimensions { keys[first + dimension * 16] = values[dimension] }
        }
    }

    /// Writes one head's value, `dimensions` values, to a slot.
    func storeValue(_ values: UnsafePointer<Float>, head: Int, slot: Int, kernels: borrowing lathe_kernels) {
        let destination = self.values(head: head, from: slot)
        switch element {
        case .float16:
            kernels.to_f16(values, dimensions, destination.assumingMemoryBound(to: UInt16.self))
        case .float32:
            destination.copyMemory(from: values, byteCount: dimensions * 4)
        }
    }
}
