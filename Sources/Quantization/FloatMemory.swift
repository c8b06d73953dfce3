/// Zeroed floats from a boundary of 64 bytes on. Several threads may fill them, each its own part.
final class FloatMemory: @unchecked Sendable {
    let start: UnsafeMutablePointer<Float>
    let count: Int

    init(count: Int) {
        let bytes = UnsafeMutableRawPointer.allocate(
            byteCount: max(count, 1) * MemoryLayout<Float>.stride, alignment: 64)
        start = bytes.initializeMemory(as: Float.self, repeating: 0, count: max(count, 1))
        self.count = count
    }

    deinit {
        UnsafeMutableRawPointer(start).deallocate()
    }
}
