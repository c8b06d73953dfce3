/// The head of a GGUF file: metadata and table of contents, checked (formats/gguf.md).
struct GGUFFile {
    let metadata: GGUFMetadata
    /// Tensors in the order of the file.
    let tensors: [TensorListing]

    static let magic: [UInt8] = Array("GGUF".utf8)
    private static let alignmentKey = "general.alignment"
    private static let textLimit = 65_535
    /// Tensors, and keys, of one file.
    private static let countLimit = 1 << 20

    /// Reads a mapped file; fails with the first rule of formats/gguf.md that it breaks.
    init(parsing mapping: Mapping) throws(CheckpointError) {
        var cursor = ByteCursor(mapping)
        let version = try GGUFFile.readVersion(&cursor)
        let tensorCount = try cursor.count(of: "the number of tensors", minimumBytes: 32, limit: GGUFFile.countLimit)
        let keyCount = try cursor.count(of: "the number of metadata keys", minimumBytes: 13, limit: GGUFFile.countLimit)

        var keys: [String] = []
        var values: [ExactText: GGUFValue] = [:]
        for _ in 0..<keyCount {
            let start = cursor.offset
            let key = try GGUFFile.readName("a metadata key", &cursor)
            let value = try GGUFValueReader.read(&cursor)
            guard values.updateValue(value, forKey: ExactText(key)) == nil else {
                throw cursor.error(at: start, expected: "each metadata key once", found: "'\(key)' again")
            }
            keys.append(key)
        }
        metadata = GGUFMetadata(version: version, keys: keys, values: values)
        try GGUFFile.refuseSplit(metadata, path: mapping.path)

        let alignment = try GGUFFile.alignment(metadata, path: mapping.path)
        var headers: [GGUFTensorHeader] = []
        for _ in 0..<tensorCount { headers.append(try GGUFTensorHeader(&cursor)) }
        tensors = try GGUFFile.place(headers, after: cursor.offset, alignment: alignment, mapping: mapping)
    }

    private static func readVersion(_ cursor: inout ByteCursor) throws(CheckpointError) -> UInt32 {
        let path = cursor.mapping.path
        let start = try cursor.skip(4, "the magic number")
        let found = Array(cursor.mapping.bytes[start..<start + 4])
        guard found == magic else {
            for old in ["ggml", "ggmf", "ggjt"] where found == Array(old.utf8.reversed()) || found == Array(old.utf8) {
                throw CheckpointError(.unsupported, file: path, expected: "GGUF version 2 or 3", found: "a \(old) file")
            }
            throw cursor.error(at: 0, expected: "the magic number GGUF", found: "bytes \(found)")
        }
        let version = try cursor.integer(UInt32.self, "the version")
        if version == 2 || version == 3 { return version }
        let swapped = version.byteSwapped
        let name = (1...3).contains(swapped) ? "big-endian version \(swapped)" : "version \(version)"
        throw CheckpointError(
            .unsupported, file: path, at: .offset(4), expected: "little-endian GGUF version 2 or 3", found: name)
    }

    /// Reads a key or a tensor's name: UTF-8, not empty, at most 65535 bytes.
    fileprivate static func readName(_ what: String, _ cursor: inout ByteCursor) throws(CheckpointError) -> String {
        let start = cursor.offset
        let range = try cursor.text(what, limit: textLimit)
        guard !range.isEmpty, let name = String(validating: ByteView(cursor.mapping, range), as: UTF8.self) else {
            throw cursor.error(
                at: start, expected: "\(what) in UTF-8", found: range.isEmpty ? "an empty one" : "other bytes")
        }
        return name
    }

    /// One file of several holds only a part of the tensors.
    private static func refuseSplit(_ metadata: GGUFMetadata, path: String) throws(CheckpointError) {
        guard let count = metadata.integer("split.count"), count > 1 else { return }
        throw CheckpointError(
            .unsupported, file: path, at: .key("split.count"), expected: "a GGUF in one file",
            found: "one of \(count) files")
    }

    private static func alignment(_ metadata: GGUFMetadata, path: String) throws(CheckpointError) -> Int {
        guard let value = metadata[alignmentKey] else { return 32 }
        guard case .unsigned(let number) = value, number <= UInt32.max, number.nonzeroBitCount == 1 else {
            throw CheckpointError(
                .damaged, file: path, at: .key(alignmentKey), expected: "a power of two below 2^32", found: "\(value)")
        }
        return Int(number)
    }

    /// Finds every tensor's bytes: aligned, inside the file, no two sharing a byte.
    private static func place(
        _ headers: [GGUFTensorHeader], after end: Int, alignment: Int, mapping: Mapping
    ) throws(CheckpointError) -> [TensorListing] {
        // `end` is at most the size of a file that was mapped and `alignment` below 2^32: no overflow.
        let base = (end + alignment - 1) & ~(alignment - 1)
        let room = max(0, mapping.bytes.count - base)
        var ranges: [(start: Int, end: Int, index: Int)] = []
        ranges.reserveCapacity(headers.count)
        for (index, header) in headers.enumerated() {
            guard let offset = Int(exactly: header.offset), offset % alignment == 0 else {
                throw CheckpointError(
                    .damaged, file: mapping.path, at: .tensor(header.name),
                    expected: "an offset that is a multiple of \(alignment)", found: "\(header.offset)")
            }
            guard offset <= room, header.byteCount <= room - offset else {
                throw CheckpointError(
                    .damaged, file: mapping.path, at: .tensor(header.name),
                    expected: "\(header.byteCount) bytes at offset \(offset) of the data",
                    found: "data of \(room) bytes")
            }
            ranges.append((offset, offset + header.byteCount, index))
        }
        ranges.sort { $0.start < $1.start }
        for (left, right) in zip(ranges, ranges.dropFirst()) where left.end > right.start {
            throw CheckpointError(
                .damaged, file: mapping.path, at: .tensor(headers[right.index].name),
                expected: "data of its own, from offset \(left.end) of the data",
                found: "offset \(right.start), inside '\(headers[left.index].name)'")
        }
        return headers.map { $0.listing(base: base) }
    }
}

/// A tensor's line in the table of contents, checked but for its place.
private struct GGUFTensorHeader {
    let name: String
    let type: GGUFTensorType
    let shape: [Int]
    let byteCount: Int
    let offset: UInt64

    init(_ cursor: inout ByteCursor) throws(CheckpointError) {
        let path = cursor.mapping.path
        let name = try GGUFFile.readName("a tensor's name", &cursor)
        func damaged(_ expected: String, _ found: String) -> CheckpointError {
            CheckpointError(.damaged, file: path, at: .tensor(name), expected: expected, found: found)
        }
        let rank = try cursor.integer(UInt32.self, "the number of dimensions")
        guard (1...4).contains(rank) else { throw damaged("1 to 4 dimensions", "\(rank)") }
        var shape: [Int] = []
        var elements = 1
        for _ in 0..<rank {
            let value = try cursor.integer(UInt64.self, "a dimension")
            guard let extent = Int(exactly: value), extent > 0 else {
                throw damaged("dimensions from 1 to 2^63 - 1", "\(value)")
            }
            let (product, overflow) = elements.multipliedReportingOverflow(by: extent)
            guard !overflow else { throw damaged("fewer than 2^63 elements", "more") }
            elements = product
            shape.append(extent)
        }
        let number = try cursor.integer(UInt32.self, "the type")
        guard let type = GGUFTensorType(number: number) else {
            throw CheckpointError(
                .unsupported, file: path, at: .tensor(name), expected: "a known tensor type",
                found: "type number \(number)")
        }
        guard shape[0] % type.blockElements == 0 else {
            throw damaged("rows of a multiple of \(type.blockElements) elements for \(type.name)", "\(shape[0])")
        }
        let (bytes, overflow) = (elements / type.blockElements).multipliedReportingOverflow(by: type.blockBytes)
        guard !overflow else { throw damaged("fewer than 2^63 bytes", "more") }
        offset = try cursor.integer(UInt64.self, "the offset")
        self.name = name
        self.type = type
        // GGUF writes the innermost extent first.
        self.shape = shape.reversed()
        byteCount = bytes
    }

    func listing(base: Int) -> TensorListing {
        guard let element = type.element else {
            return .unreadable(
                UnreadableTensor(name: name, typeName: type.name, shape: shape, byteCount: byteCount))
        }
        return .readable(
            TensorEntry(
                name: name, type: element, shape: shape, byteCount: byteCount, file: 0, offset: base + Int(offset)))
    }
}
