import Glibc

/// The bytes of one file, mapped read-only for as long as this object lives.
public final class Mapping: @unchecked Sendable {
    // Sendable: everything is set once by `init`, and the pages are never written.

    /// What frees the bytes.
    private enum Owner {
        case mapped(descriptor: Int32, size: Int, modified: timespec)
        case allocated
    }

    /// The path, for errors.
    public let path: String
    /// The whole file. Valid while the mapping lives.
    public let bytes: UnsafeRawBufferPointer
    private let owner: Owner

    /// Maps a regular file; fails with `missing` where it cannot be opened and `damaged` where it is no regular file.
    public init(path: String) throws(CheckpointError) {
        // Without O_NONBLOCK, opening a FIFO would wait for a writer.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw CheckpointError(.missing, file: path, expected: "a file that can be read", found: errorText(errno))
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let found = errorText(errno)
            close(descriptor)
            throw CheckpointError(.missing, file: path, expected: "a file that can be read", found: found)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw CheckpointError(
                .damaged, file: path, expected: "a regular file", found: fileKind(status.st_mode & S_IFMT))
        }
        let size = Int(status.st_size)
        if size > 0 {
            let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0)
            guard let address, address != MAP_FAILED else {
                let found = errorText(errno)
                close(descriptor)
                throw CheckpointError(.missing, file: path, expected: "a file that can be mapped", found: found)
            }
            bytes = UnsafeRawBufferPointer(start: address, count: size)
        } else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
        }
        self.path = path
        owner = .mapped(descriptor: descriptor, size: size, modified: status.st_mtim)
    }

    /// Takes a copy of bytes in memory in place of a file; `path` is its name in errors.
    public init(copying source: UnsafeRawBufferPointer, path: String) {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: source.count, alignment: 64)
        copy.copyMemory(from: source)
        bytes = UnsafeRawBufferPointer(copy)
        self.path = path
        owner = .allocated
    }

    deinit {
        switch owner {
        case .mapped(let descriptor, _, _):
            if let address = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: address), bytes.count) }
            close(descriptor)
        case .allocated:
            bytes.deallocate()
        }
    }

    /// Fails with `changed` where the file has another size or time than when it was mapped.
    ///
    /// A file cut short under a mapping makes every later read of the lost pages a SIGBUS, so a writer of products
    /// asks this before it reads and again before it trusts what it read.
    public func checkUnchanged() throws(CheckpointError) {
        guard case .mapped(let descriptor, let size, let modified) = owner else { return }
        var status = stat()
        guard fstat(descriptor, &status) == 0, Int(status.st_size) == size,
            status.st_mtim.tv_sec == modified.tv_sec, status.st_mtim.tv_nsec == modified.tv_nsec
        else {
            throw CheckpointError(
                .changed, file: path, expected: "the file as it was opened (\(size) bytes)",
                found: "\(status.st_size) bytes, or a newer time of change")
        }
    }

    /// Takes the pages of a range out of this process's memory; they come back when they are read again.
    func release(_ range: Range<Int>) {
        guard case .mapped = owner, let address = bytes.baseAddress, !range.isEmpty else { return }
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let start = range.lowerBound / page * page
        madvise(UnsafeMutableRawPointer(mutating: address + start), range.upperBound - start, MADV_DONTNEED)
    }
}

/// The system's words for an `errno`.
func errorText(_ number: Int32) -> String {
    guard let text = strerror(number) else { return "error \(number)" }
    return String(cString: text)
}

private func fileKind(_ mode: mode_t) -> String {
    switch mode {
    case S_IFDIR: "a directory"
    case S_IFIFO: "a pipe"
    case S_IFSOCK: "a socket"
    case S_IFCHR, S_IFBLK: "a device"
    default: "a special file"
    }
}
