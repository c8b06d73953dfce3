/// Little-endian fields, appended in order. Numbers have been verified to fit before they come here.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func unsigned(_ value: some FixedWidthInteger & UnsignedInteger) {
        var rest = UInt64(value)
        for _ in 0..<(value.bitWidth / 8) {
            bytes.append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }

    mutating func number32(_ value: Int) { unsigned(UInt32(truncatingIfNeeded: value)) }

    mutating func number64(_ value: Int) { unsigned(UInt64(truncatingIfNeeded: value)) }

    mutating func float(_ value: Float) { unsigned(value.bitPattern) }

    mutating func zeros(_ count: Int) { bytes += repeatElement(0, count: count) }

    mutating func append(_ more: [UInt8]) { bytes += more }
}
