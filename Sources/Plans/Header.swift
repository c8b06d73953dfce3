/// The first bytes of a plan and its section table (formats/plan.md, "Header").
struct Header {
    /// The first byte is no text, the line ends reveal a transfer that changed them.
    static let magic: [UInt8] = [0x89, 0x4C, 0x50, 0x4C, 0x0D, 0x0A, 0x1A, 0x0A]
    static let major: UInt16 = 4
    static let minor: UInt16 = 1
    static let byteCount = 64
    /// Required features that this version knows.
    static let knownFeatures: UInt64 = 0

    var requiredFeatures: UInt64 = 0
    var optionalFeatures: UInt64 = 0
    /// Files of a later minor version only add what an older reader may pass over.
    var minorVersion = Int(minor)
    var fileSize: Int
    var sections: [Section]

    var tableEnd: Int { Header.byteCount + sections.count * Section.recordBytes }

    /// The header's bytes and the table's.
    func encoded() -> [UInt8] {
        var fields = ByteWriter()
        fields.append(Header.magic)
        fields.unsigned(Header.major)
        fields.unsigned(Header.minor)
        fields.number32(sections.count)
        fields.unsigned(requiredFeatures)
        fields.unsigned(optionalFeatures)
        fields.number64(fileSize)
        fields.zeros(20)
        var table = ByteWriter()
        for section in sections {
            table.unsigned(section.kind)
            table.unsigned(section.flags.rawValue)
            table.number64(section.offset)
            table.number64(section.storedSize)
            table.number64(section.rawSize)
            table.unsigned(section.checksum)
            table.zeros(4)
        }
        var checksum = Checksum()
        checksum.append(fields.bytes)
        checksum.append(table.bytes)
        fields.unsigned(checksum.value)
        fields.append(table.bytes)
        return fields.bytes
    }

    /// Reads and checks header and table of a whole file: everything but the sections' contents.
    init(_ file: UnsafeRawBufferPointer, limits: Limits) throws(PlanError) {
        guard file.count >= Header.byteCount else {
            throw PlanError(
                .invalid, "a plan has a header", at: .file, expected: .number(Header.byteCount),
                found: .number(file.count))
        }
        var reader = ByteReader(file, section: 0)
        for (index, byte) in try reader.slice(8).enumerated() where byte != Header.magic[index] {
            throw PlanError(.invalid, "a plan begins with its magic number", at: .offset(index))
        }
        let versions = try reader.unsigned32()
        let major = UInt16(truncatingIfNeeded: versions)
        guard major == Header.major else {
            throw PlanError(
                .unsupported, "the major version of the format is known", at: .offset(8),
                expected: .number(Int(Header.major)), found: .number(Int(major)))
        }
        minorVersion = Int(versions >> 16)
        let count = try reader.number32()
        guard (1...Section.maximumCount).contains(count) else {
            throw PlanError(
                .invalid, "a plan has a handful of sections", at: .offset(12),
                expected: .range(1, Section.maximumCount), found: .number(count))
        }
        let tableEnd = Header.byteCount + count * Section.recordBytes
        guard tableEnd <= file.count else {
            throw PlanError(
                .invalid, "the section table is whole", at: .offset(12), expected: .number(tableEnd),
                found: .number(file.count))
        }
        var checksum = Checksum()
        checksum.append(UnsafeRawBufferPointer(rebasing: file[..<60]))
        checksum.append(UnsafeRawBufferPointer(rebasing: file[Header.byteCount..<tableEnd]))
        requiredFeatures = try reader.unsigned64()
        optionalFeatures = try reader.unsigned64()
        let declaredSize = try reader.unsigned64()
        let reservedPlace = PlanError.Place.offset(reader.position)
        let reserved = try reader.slice(20)
        let stored = try reader.unsigned32()
        guard stored == checksum.value else {
            throw PlanError(
                .invalid, "the header's checksum fits", at: .offset(60), expected: .bits(UInt64(stored)),
                found: .bits(UInt64(checksum.value)))
        }
        let unknown = requiredFeatures & ~Header.knownFeatures
        guard unknown == 0 else {
            throw PlanError(
                .unsupported, "every required feature bit is known", at: .offset(16),
                found: .number(unknown.trailingZeroBitCount))
        }
        guard declaredSize == UInt64(file.count) else {
            throw PlanError(
                .invalid, "the file has the size that its header says", at: .offset(32),
                expected: .bits(declaredSize), found: .bits(UInt64(file.count)))
        }
        for byte in reserved where byte != 0 {
            throw PlanError(.invalid, "reserved bytes are zero", at: reservedPlace, found: .number(Int(byte)))
        }
        fileSize = file.count
        sections = []
        for _ in 0..<count { sections.append(try Header.section(&reader)) }
        try checkSections(file, limits: limits)
    }

    init(fileSize: Int, sections: [Section]) {
        self.fileSize = fileSize
        self.sections = sections
    }

    private static func section(_ reader: inout ByteReader) throws(PlanError) -> Section {
        let kind = try reader.unsigned32()
        let flags = Section.Flags(rawValue: try reader.unsigned32())
        let offset = try reader.number64()
        let storedSize = try reader.number64()
        let rawSize = try reader.number64()
        let checksum = try reader.unsigned32()
        try reader.zeros(4)
        return Section(
            kind: kind, flags: flags, offset: offset, storedSize: storedSize, rawSize: rawSize, checksum: checksum)
    }

    /// Identifies the file: FNV-1a, 64 bits, over header and table, which hold every section's size and CRC-32.
    static func digest(of headerAndTable: UnsafeRawBufferPointer) -> UInt64 {
        var digest: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in headerAndTable { digest = (digest ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return digest
    }
}
