import CJSON

extension JSON {
    /// Reads JSON text that holds one object or array (formats/safetensors.md, "JSON").
    public init(parsing bytes: some Collection<UInt8>, file: String) throws(CheckpointError) {
        try self.init(parsing: bytes, file: file, duplicateKeys: .lastWins)
    }

    init(
        parsing bytes: some Collection<UInt8>, file: String, duplicateKeys: JSONDuplicateKeys
    ) throws(CheckpointError) {
        let result = bytes.withContiguousStorageIfAvailable { text in
            JSON.parse(UnsafeRawBufferPointer(text), file, duplicateKeys)
        }
        switch result ?? Array(bytes).withUnsafeBytes({ JSON.parse($0, file, duplicateKeys) }) {
        case .success(let value): self = value
        case .failure(let error): throw error
        }
    }

    private static func parse(
        _ text: UnsafeRawBufferPointer, _ file: String, _ duplicateKeys: JSONDuplicateKeys
    ) -> Result<JSON, CheckpointError> {
        do throws(CheckpointError) {
            let scan = try JSONScan(text, file: file)
            guard let tokener = json_tokener_new_ex(Int32(JSONScan.depthLimit + 1)) else {
                throw CheckpointError(.missing, file: file, expected: "memory for a JSON reader", found: "none")
            }
            defer { json_tokener_free(tokener) }
            json_tokener_set_flags(tokener, Int32(JSON_TOKENER_STRICT))
            let root = try feed(tokener, text, wideIntegerEnds: scan.wideIntegerEnds, file: file)
            defer { json_object_put(root) }
            var keyCount = 0
            let value = JSON(root, &keyCount)
            guard duplicateKeys == .lastWins || keyCount == scan.keyCount else {
                throw CheckpointError(
                    .damaged, file: file, expected: "objects that have each key once",
                    found: "a key that comes twice")
            }
            return .success(value)
        } catch {
            return .failure(error)
        }
    }

    /// Gives the text to json-c; behind integers that do not fit 64 bits it writes `.0`, so that they are read as the
    /// nearest double and not cut.
    private static func feed(
        _ tokener: OpaqueTokener, _ text: UnsafeRawBufferPointer, wideIntegerEnds: [Int], file: String
    ) throws(CheckpointError) -> OpaquePointer {
        func error(at offset: Int, _ found: String) -> CheckpointError {
            CheckpointError(.damaged, file: file, at: .offset(offset), expected: "JSON text", found: found)
        }
        var start = 0
        for end in wideIntegerEnds + [text.count] {
            guard let length = Int32(exactly: end - start) else { throw error(at: start, "more than 2^31 bytes") }
            let part = text.bindMemory(to: CChar.self).baseAddress.map { $0 + start }
            let root = json_tokener_parse_ex(tokener, part, length)
            let consumed = json_tokener_get_parse_end(tokener)
            switch json_tokener_get_error(tokener) {
            case json_tokener_success:
                guard let root else { throw error(at: start, "null") }
                let rest = text[(start + consumed)...]
                guard rest.allSatisfy({ [0x20, 0x09, 0x0a, 0x0d].contains($0) }) else {
                    json_object_put(root)
                    throw error(at: start + consumed, "more text after the end")
                }
                return root
            case json_tokener_continue:
                start = end
                if end < text.count { json_tokener_parse_ex(tokener, ".0", 2) }
            case let code:
                throw error(at: start + consumed, String(cString: json_tokener_error_desc(code)))
            }
        }
        throw error(at: text.count, "the end")
    }

    /// Copies json-c's tree; its depth was limited when it was read.
    private init(_ node: OpaquePointer?, _ keyCount: inout Int) {
        switch json_object_get_type(node) {
        case json_type_boolean: self = .boolean(json_object_get_boolean(node) != 0)
        case json_type_double: self = .number(json_object_get_double(node))
        case json_type_int: self = .integer(json_object_get_int64(node))
        case json_type_string:
            let bytes = UnsafeRawBufferPointer(
                start: json_object_get_string(node), count: Int(json_object_get_string_len(node)))
            self = .string(String(decoding: bytes, as: UTF8.self))
        case json_type_array:
            let count = json_object_array_length(node)
            var elements: [JSON] = []
            elements.reserveCapacity(count)
            for index in 0..<count { elements.append(JSON(json_object_array_get_idx(node, index), &keyCount)) }
            self = .array(elements)
        case json_type_object:
            var members: [(key: String, value: JSON)] = []
            members.reserveCapacity(Int(json_object_object_length(node)))
            var entry = json_object_get_object(node)?.pointee.head
            while let member = entry {
                guard let key = member.pointee.k else { break }
                let value = member.pointee.v.map { OpaquePointer($0) }
                members.append((String(cString: key.assumingMemoryBound(to: CChar.self)), JSON(value, &keyCount)))
                entry = member.pointee.next
            }
            keyCount += members.count
            self = .object(JSONObject(members))
        default: self = .null
        }
    }
}

private typealias OpaqueTokener = UnsafeMutablePointer<json_tokener>
