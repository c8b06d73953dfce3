/// Short byte strings, read as little-endian integers.
enum ByteString {
    /// 8 bytes.
    @inline(__always)
    static func word(_ start: UnsafePointer<UInt8>) -> UInt64 {
        UInt64(littleEndian: UnsafeRawPointer(start).loadUnaligned(as: UInt64.self))
    }

    /// 0 to 7 bytes, padded with zeros.
    @inline(__always)
    static func rest(_ start: UnsafePointer<UInt8>, count: Int) -> UInt64 {
        // Reads overlap, so that lengths, which are hard to foresee, decide about few branches.
        if count >= 4 {
            let raw = UnsafeRawPointer(start)
            let first = UInt32(littleEndian: raw.loadUnaligned(as: UInt32.self))
            let last = UInt32(littleEndian: (raw + (count &- 4)).loadUnaligned(as: UInt32.self))
            return UInt64(first) | UInt64(last) &<< UInt64(truncatingIfNeeded: 8 &* (count &- 4))
        }
        if count == 0 { return 0 }
        let middle = count / 2
        return UInt64(start[0]) | UInt64(start[middle]) &<< UInt64(truncatingIfNeeded: 8 &* middle)
            | UInt64(start[count &- 1]) &<< UInt64(truncatingIfNeeded: 8 &* (count &- 1))
    }

    /// Whether two strings of the same length are equal.
    @inline(__always)
    static func equal(_ left: UnsafePointer<UInt8>, _ right: UnsafePointer<UInt8>, count: Int) -> Bool {
        var offset = 0
        while offset &+ 8 <= count {
            if word(left + offset) != word(right + offset) { return false }
            offset &+= 8
        }
        return rest(left + offset, count: count &- offset) == rest(right + offset, count: count &- offset)
    }
}
