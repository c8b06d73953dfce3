import CSystem

/// Owns the bytes of a plan: a read-only mapping of the file, or a page-aligned copy.
final class PlanBytes {
    let bytes: UnsafeRawBufferPointer
    /// The mapped file, held open so that its size can be checked again; -1 for a copy.
    private let descriptor: Int32

    private init(mapping bytes: UnsafeRawBufferPointer, descriptor: Int32) {
        self.bytes = bytes
        self.descriptor = descriptor
    }

    private init(copy bytes: UnsafeMutableRawBufferPointer) {
        self.bytes = UnsafeRawBufferPointer(bytes)
        descriptor = -1
    }

    deinit {
        let base = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
        if descriptor >= 0 {
            munmap(base, bytes.count)
            close(descriptor)
        } else {
            free(base)
        }
    }

    static func copy(of bytes: UnsafeRawBufferPointer) throws(PlanError) -> PlanBytes {
        let copy = try allocate(bytes.count)
        copy.copyMemory(from: bytes)
        return PlanBytes(copy: copy)
    }

    /// Zeroed memory that `fill` writes to.
    static func filled(count: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void) throws(PlanError) -> PlanBytes {
        let memory = try allocate(count)
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        fill(memory)
        return PlanBytes(copy: memory)
    }

    /// Opens a regular file without ever waiting for it: a FIFO or a device is refused.
    static func open(
        path: UnsafePointer<CChar>, mapped: Bool, limits: Limits
    ) throws(PlanError) -> PlanBytes {
        let descriptor = lathe_open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0)
        guard descriptor >= 0 else {
            throw PlanError(.missing, "the file can be opened", at: .file, found: .system(lathe_errno()))
        }
        do throws(PlanError) {
            let count = try regularFileSize(descriptor, limits: limits)
            if mapped {
                guard let address = lathe_map(descriptor, count) else {
                    throw PlanError(.runtime, "the file can be mapped", at: .file, found: .system(lathe_errno()))
                }
                return PlanBytes(
                    mapping: UnsafeRawBufferPointer(start: address, count: count), descriptor: descriptor)
            }
            let copy = try allocate(count)
            do throws(PlanError) {
                try fill(copy, from: descriptor)
            } catch {
                copy.deallocate()
                throw error
            }
            close(descriptor)
            return PlanBytes(copy: copy)
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// Throws where the mapped file has become another size since it was opened.
    func checkSize() throws(PlanError) {
        guard descriptor >= 0 else { return }
        var status = stat()
        guard fstat(descriptor, &status) == 0, Int(status.st_size) == bytes.count else {
            throw PlanError(
                .invalid, "a mapped plan keeps its size", at: .file, expected: .number(bytes.count),
                found: .number(Int(status.st_size)))
        }
    }

    private static func regularFileSize(_ descriptor: Int32, limits: Limits) throws(PlanError) -> Int {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw PlanError(.missing, "the file can be examined", at: .file, found: .system(lathe_errno()))
        }
        guard lathe_is_regular_file(status.st_mode) else {
            throw PlanError(.invalid, "a plan is a regular file", at: .file)
        }
        let count = Int(status.st_size)
        guard count > 0, count <= limits.fileBytes else {
            throw PlanError(
                .invalid, "the file's size is within its limit", at: .file, expected: .range(1, limits.fileBytes),
                found: .number(count))
        }
        return count
    }

    private static func allocate(_ count: Int) throws(PlanError) -> UnsafeMutableRawBufferPointer {
        var address: UnsafeMutableRawPointer?
        guard posix_memalign(&address, 4096, max(count, 1)) == 0, let address else {
            throw PlanError(.runtime, "there is memory for the plan", at: .file, found: .number(count))
        }
        return UnsafeMutableRawBufferPointer(start: address, count: count)
    }

    private static func fill(_ target: UnsafeMutableRawBufferPointer, from descriptor: Int32) throws(PlanError) {
        var position = 0
        while position < target.count {
            let piece = UnsafeMutableRawBufferPointer(rebasing: target[position...])
            let count = read(descriptor, piece.baseAddress, piece.count)
            if count < 0, lathe_errno() == EINTR { continue }
            guard count > 0 else {
                throw PlanError(
                    .runtime, "the file can be read", at: .offset(position),
                    found: count < 0 ? .system(lathe_errno()) : .number(0))
            }
            position += count
        }
    }
}
