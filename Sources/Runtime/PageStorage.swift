import CSystem

/// Zeroed memory of whole pages, returned to the system at the end of its life; pages cost nothing until touched.
struct PageStorage: ~Copyable {
    let base: UnsafeMutableRawPointer
    let byteCount: Int

    /// Throws `outOfMemory` where the system refuses.
    init(byteCount: Int) throws(RuntimeError) {
        let bytes = max(byteCount, 1)
        guard let base = lathe_map_zeroed(bytes) else { throw .outOfMemory(bytes: bytes) }
        self.base = base
        self.byteCount = bytes
    }

    deinit {
        munmap(base, byteCount)
    }
}
