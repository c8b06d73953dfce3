/// Reads little-endian fields of a mapped file one after the other; every read is checked against the end.
struct ByteCursor {
    let mapping: Mapping
    private(set) var offset = 0

    init(_ mapping: Mapping) { self.mapping = mapping }

    var remaining: Int { mapping.bytes.count - offset }

    /// Reads one unsigned integer; `what` names it in the error.
    mutating func integer<T: FixedWidthInteger & UnsignedInteger>(
        _ type: T.Type = T.self, _ what: String
    ) throws(CheckpointError) -> T {
        let start = try skip(MemoryLayout<T>.size, what)
        return T(littleEndian: mapping.bytes.loadUnaligned(fromByteOffset: start, as: T.self))
    }

    /// Reads a 64-bit count of things that take at least `minimumBytes` each, and checks that they can be there.
    mutating func count(
        of what: String, minimumBytes: Int, limit: Int = .max
    ) throws(CheckpointError) -> Int {
        let start = offset
        let value = try integer(UInt64.self, what)
        let most = min(remaining / minimumBytes, limit)
        guard let count = Int(exactly: value), count <= most else {
            throw error(at: start, expected: "at most \(most) for \(what)", found: "\(value)")
        }
        return count
    }

    /// Reads a 64-bit length and steps over that many bytes; returns where they lie.
    mutating func text(_ what: String, limit: Int) throws(CheckpointError) -> Range<Int> {
        let start = offset
        let value = try integer(UInt64.self, what)
        guard let length = Int(exactly: value), length <= remaining, length <= limit else {
            throw error(at: start, expected: "\(what) of at most \(min(remaining, limit)) bytes", found: "\(value)")
        }
        let first = offset
        offset += length
        return first..<offset
    }

    /// Steps over bytes and returns where they begin.
    @discardableResult
    mutating func skip(_ count: Int, _ what: String) throws(CheckpointError) -> Int {
        guard count <= remaining else {
            throw error(at: offset, expected: "\(count) bytes for \(what)", found: "the end after \(remaining)")
        }
        let start = offset
        offset += count
        return start
    }

    func error(at offset: Int, expected: String, found: String) -> CheckpointError {
        CheckpointError(.damaged, file: mapping.path, at: .offset(offset), expected: expected, found: found)
    }
}
