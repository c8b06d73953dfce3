/// The head of a safetensors file: its table of contents, checked (formats/safetensors.md, "File").
struct SafetensorsFile {
    /// Tensors in the order of their data.
    let tensors: [TensorListing]
    /// What `__metadata__` says, by its keys; empty where there is none.
    let metadata: [String: String]

    /// Headers may have this many bytes.
    static let headerLimit = 100_000_000
    private static let metadataKey = "__metadata__"

    /// Reads a mapped file; `file` is its place in the checkpoint. Fails with the first rule of
    /// formats/safetensors.md that it breaks.
    init(parsing mapping: Mapping, file: Int) throws(CheckpointError) {
        var cursor = ByteCursor(mapping)
        let length = try cursor.integer(UInt64.self, "the length of the header")
        guard let headerBytes = Int(exactly: length), headerBytes <= SafetensorsFile.headerLimit,
            headerBytes <= cursor.remaining
        else {
            throw cursor.error(
                at: 0, expected: "a header of at most \(min(cursor.remaining, SafetensorsFile.headerLimit)) bytes",
                found: "\(length)")
        }
        let headerStart = try cursor.skip(headerBytes, "the header")
        let header = ByteView(mapping, headerStart..<headerStart + headerBytes)
        guard header.first == UInt8(ascii: "{") else {
            throw cursor.error(at: headerStart, expected: "a header that begins with '{'", found: "another byte")
        }
        let json = try JSON(parsing: header, file: mapping.path, duplicateKeys: .refused)
        let entries = try SafetensorsFile.entries(json, path: mapping.path)
        metadata = (json[SafetensorsFile.metadataKey]?.object ?? JSONObject([])).reduce(into: [:]) {
            $0[$1.key] = $1.value.string
        }
        tensors = try SafetensorsFile.place(
            entries, base: cursor.offset, room: cursor.remaining, file: file, path: mapping.path)
    }

    private static func entries(_ json: JSON, path: String) throws(CheckpointError) -> [SafetensorsEntry] {
        var entries: [SafetensorsEntry] = []
        for (name, value) in json.object ?? JSONObject([]) {
            if name == metadataKey {
                guard let members = value.object, members.allSatisfy({ $0.value.string != nil }) else {
                    throw CheckpointError(
                        .damaged, file: path, at: .key(name), expected: "an object of strings", found: "something else")
                }
                continue
            }
            entries.append(try SafetensorsEntry(name: name, value, path: path))
        }
        return entries
    }

    /// Checks that the tensors fill the data without a hole and without sharing a byte.
    private static func place(
        _ entries: [SafetensorsEntry], base: Int, room: Int, file: Int, path: String
    ) throws(CheckpointError) -> [TensorListing] {
        var end = 0
        var listing: [TensorListing] = []
        for entry in entries.sorted(by: { ($0.start, $0.end) < ($1.start, $1.end) }) {
            guard entry.start == end else {
                throw CheckpointError(
                    .damaged, file: path, at: .tensor(entry.name), expected: "data that begins at \(end)",
                    found: "\(entry.start)")
            }
            guard entry.end <= room else {
                throw CheckpointError(
                    .damaged, file: path, at: .tensor(entry.name), expected: "data that ends by \(room)",
                    found: "\(entry.end)")
            }
            end = entry.end
            listing.append(entry.listing(base: base, file: file))
        }
        guard end == room else {
            throw CheckpointError(
                .damaged, file: path, at: .offset(base + end), expected: "the end of the file",
                found: "\(room - end) bytes that belong to no tensor")
        }
        return listing
    }
}

/// A tensor's entry in the header, checked but for its neighbours.
private struct SafetensorsEntry {
    let name: String
    let type: SafetensorsType
    let shape: [Int]
    let start: Int
    let end: Int

    init(name: String, _ value: JSON, path: String) throws(CheckpointError) {
        func damaged(_ expected: String, _ found: String) -> CheckpointError {
            CheckpointError(.damaged, file: path, at: .tensor(name), expected: expected, found: found)
        }
        func naturals(_ key: String) throws(CheckpointError) -> [Int] {
            var result: [Int] = []
            guard let elements = value[key]?.array else { throw damaged("'\(key)' as an array", "none") }
            for element in elements {
                guard let number = element.integer, number >= 0 else {
                    throw damaged("'\(key)' of integers from 0 to 2^63 - 1", "something else")
                }
                result.append(number)
            }
            return result
        }
        guard let typeName = value["dtype"]?.string else { throw damaged("'dtype' as a string", "none") }
        guard value.object?.count == 3 else {
            throw damaged("dtype, shape and data_offsets and nothing else", "\(value.object?.count ?? 0) members")
        }
        guard let type = SafetensorsType(name: typeName) else {
            throw CheckpointError(
                .unsupported, file: path, at: .tensor(name), expected: "a known dtype", found: typeName)
        }
        let shape = try naturals("shape")
        let offsets = try naturals("data_offsets")
        guard offsets.count == 2, offsets[0] <= offsets[1] else {
            throw damaged("'data_offsets' of a start and an end", "\(offsets)")
        }
        var bits = type.bits
        // Empty extents count as 1 here, so that the product of any of the extents is known to be in range.
        for extent in shape {
            let (product, overflow) = bits.multipliedReportingOverflow(by: max(extent, 1))
            guard !overflow else { throw damaged("fewer than 2^63 bits", "shape \(shape)") }
            bits = product
        }
        if shape.contains(0) { bits = 0 }
        guard bits % 8 == 0 else { throw damaged("whole bytes", "\(bits) bits") }
        guard offsets[1] - offsets[0] == bits / 8 else {
            throw damaged("\(bits / 8) bytes for \(typeName) \(shape)", "\(offsets[1] - offsets[0])")
        }
        self.name = name
        self.type = type
        self.shape = shape
        (start, end) = (offsets[0], offsets[1])
    }

    func listing(base: Int, file: Int) -> TensorListing {
        guard let element = type.element else {
            return .unreadable(
                UnreadableTensor(name: name, typeName: type.name, shape: shape, byteCount: end - start))
        }
        return .readable(
            TensorEntry(
                name: name, type: element, shape: shape, byteCount: end - start, file: file, offset: base + start))
    }
}
