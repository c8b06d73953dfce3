import CSystem

/// Zeroed memory between two inaccessible pages, returned to the system at the end of its life; pages cost nothing
/// until touched. Aligned to 64 bytes.
///
/// The memory ends at most 63 bytes before the page behind it, so that an access past either end faults instead of
/// reaching what belongs to others.
struct PageStorage: ~Copyable {
    let base: UnsafeMutableRawPointer
    let byteCount: Int
    private let mapping: UnsafeMutableRawPointer
    private let mappedBytes: Int

    /// Throws `outOfMemory` where the system refuses.
    init(byteCount: Int) throws(RuntimeError) {
        let bytes = max(byteCount, 1)
        let page = Int(getpagesize())
        // More than half of the address space is refused without asking; less cannot overflow below.
        guard bytes < Int.max / 2 else { throw .outOfMemory(bytes: bytes) }
        let usable = (bytes + page - 1) / page * page
        let mappedBytes = usable + 2 * page
        guard let mapping = lathe_map_zeroed(mappedBytes) else { throw .outOfMemory(bytes: bytes) }
        guard mprotect(mapping, page, PROT_NONE) == 0, mprotect(mapping + page + usable, page, PROT_NONE) == 0 else {
            munmap(mapping, mappedBytes)
            throw .outOfMemory(bytes: bytes)
        }
        self.byteCount = bytes
        self.mapping = mapping
        self.mappedBytes = mappedBytes
        base = mapping + page + usable - (bytes + 63) / 64 * 64
    }

    deinit {
        munmap(mapping, mappedBytes)
    }
}
