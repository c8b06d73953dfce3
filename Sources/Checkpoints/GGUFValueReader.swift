/// Reads one metadata value with its type tag (formats/gguf.md, "Metadata").
enum GGUFValueReader {
    /// Arrays inside arrays are read to this depth.
    static let depthLimit = 8

    static func read(_ cursor: inout ByteCursor) throws(CheckpointError) -> GGUFValue {
        let type = try readType(&cursor)
        switch type {
        case .string:
            return .string(ByteView(cursor.mapping, try cursor.text("a string", limit: .max)))
        case .array:
            return .array(try readArray(&cursor, depth: 1))
        default:
            let start = try cursor.skip(type.minimumBytes, "a value")
            if type == .boolean { try checkBooleans(start..<start + 1, cursor) }
            guard let value = type.scalar(cursor.mapping.bytes, at: start) else {
                throw cursor.error(at: start, expected: "a scalar", found: "\(type)")
            }
            return value
        }
    }

    private static func readType(_ cursor: inout ByteCursor) throws(CheckpointError) -> GGUFValueType {
        let start = cursor.offset
        let number = try cursor.integer(UInt32.self, "a value's type")
        guard let type = GGUFValueType(rawValue: number) else {
            throw cursor.error(at: start, expected: "a value type from 0 to 12", found: "\(number)")
        }
        return type
    }

    private static func readArray(_ cursor: inout ByteCursor, depth: Int) throws(CheckpointError) -> GGUFArray {
        guard depth <= depthLimit else {
            throw cursor.error(at: cursor.offset, expected: "arrays at most \(depthLimit) deep", found: "deeper ones")
        }
        let type = try readType(&cursor)
        let count = try cursor.count(of: "an array's elements", minimumBytes: type.minimumBytes)
        switch type {
        case .string:
            return GGUFArray(elementType: type, count: count, storage: .strings(try readStrings(&cursor, count)))
        case .array:
            var arrays: [GGUFArray] = []
            for _ in 0..<count { arrays.append(try readArray(&cursor, depth: depth + 1)) }
            return GGUFArray(elementType: type, count: count, storage: .arrays(arrays))
        default:
            // No overflow: `count` was checked against the bytes that are left.
            let start = try cursor.skip(count * type.minimumBytes, "an array")
            let range = start..<cursor.offset
            if type == .boolean { try checkBooleans(range, cursor) }
            return GGUFArray(elementType: type, count: count, storage: .scalars(ByteView(cursor.mapping, range)))
        }
    }

    private static func readStrings(_ cursor: inout ByteCursor, _ count: Int) throws(CheckpointError) -> GGUFStrings {
        var starts: [Int] = []
        starts.reserveCapacity(count + 1)
        for _ in 0..<count { starts.append(try cursor.text("a string", limit: .max).lowerBound) }
        starts.append(cursor.offset + GGUFStrings.lengthBytes)
        return GGUFStrings(cursor.mapping, starts: starts)
    }

    private static func checkBooleans(_ range: Range<Int>, _ cursor: ByteCursor) throws(CheckpointError) {
        for offset in range where cursor.mapping.bytes[offset] > 1 {
            throw cursor.error(at: offset, expected: "a boolean, 0 or 1", found: "\(cursor.mapping.bytes[offset])")
        }
    }
}
