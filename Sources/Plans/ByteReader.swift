/// Little-endian fields of one section, read in order; every read is checked against the section's end.
struct ByteReader {
    let bytes: UnsafeRawBufferPointer
    let section: UInt32
    private(set) var position = 0

    init(_ bytes: UnsafeRawBufferPointer, section: UInt32) {
        self.bytes = bytes
        self.section = section
    }

    var remaining: Int { bytes.count - position }

    /// Where the next field begins, for errors.
    var place: PlanError.Place { .sectionOffset(section, position) }

    mutating func slice(_ count: Int) throws(PlanError) -> UnsafeRawBufferPointer {
        guard count >= 0, count <= remaining else {
            throw PlanError(
                .invalid, "the section ends too early", at: place, expected: .number(count), found: .number(remaining))
        }
        let slice = UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
        position += count
        return slice
    }

    mutating func unsigned32() throws(PlanError) -> UInt32 {
        UInt32(littleEndian: try slice(4).loadUnaligned(as: UInt32.self))
    }

    mutating func unsigned64() throws(PlanError) -> UInt64 {
        UInt64(littleEndian: try slice(8).loadUnaligned(as: UInt64.self))
    }

    /// A 32-bit count or index.
    mutating func number32() throws(PlanError) -> Int { Int(try unsigned32()) }

    /// A 64-bit size or offset below 2^63.
    mutating func number64() throws(PlanError) -> Int {
        let place = place
        let value = try unsigned64()
        guard let number = Int(exactly: value) else {
            throw PlanError(.invalid, "a size is below 2^63", at: place, found: .bits(value))
        }
        return number
    }

    mutating func float() throws(PlanError) -> Float { Float(bitPattern: try unsigned32()) }

    /// Fields that the format keeps for later versions are zero.
    mutating func zeros(_ count: Int) throws(PlanError) {
        let place = place
        for byte in try slice(count) where byte != 0 {
            throw PlanError(.invalid, "reserved bytes are zero", at: place, found: .number(Int(byte)))
        }
    }
}
