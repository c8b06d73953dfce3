import Testing

@testable import Plans

/// The bytes of a plan file, to be damaged; the section table is read straight from the format's offsets.
struct PlanImage {
    var bytes: [UInt8]

    struct Entry {
        var kind: UInt32
        var tableOffset: Int
        var range: Range<Int>
    }

    var entries: [Entry] {
        (0..<Int(number(at: 12, size: 4))).map { index in
            let entry = 64 + index * 40
            let offset = Int(number(at: entry + 8, size: 8))
            return Entry(
                kind: UInt32(number(at: entry, size: 4)), tableOffset: entry,
                range: offset..<offset + Int(number(at: entry + 16, size: 8)))
        }
    }

    func entry(_ kind: SectionKind) throws -> Entry {
        try #require(entries.first { $0.kind == kind.rawValue })
    }

    func number(at offset: Int, size: Int) -> UInt64 {
        (0..<size).reversed().reduce(0) { $0 << 8 | UInt64(bytes[offset + $1]) }
    }

    mutating func set(_ value: UInt64, at offset: Int, size: Int) {
        for index in 0..<size { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index)) }
    }

    /// Makes the checksum of one section fit again, and the header's.
    mutating func reseal(_ entry: Entry) {
        set(UInt64(Checksum.of([UInt8](bytes[entry.range]))), at: entry.tableOffset + 32, size: 4)
        resealHeader()
    }

    mutating func resealHeader() {
        let tableEnd = min(64 + Int(number(at: 12, size: 4)) * 40, bytes.count)
        var checksum = Checksum()
        checksum.append([UInt8](bytes[..<60]))
        if tableEnd > 64 { checksum.append([UInt8](bytes[64..<tableEnd])) }
        set(UInt64(checksum.value), at: 60, size: 4)
    }

    /// Flips bits of every byte of a section, one after the other, and counts the results that are refused.
    func flippedBytesRefused(in section: Entry) throws -> Int {
        var refused = 0
        for offset in section.range {
            for mask: UInt8 in [0x01, 0x40, 0xFF] {
                var damaged = self
                damaged.bytes[offset] ^= mask
                damaged.reseal(section)
                if try damaged.refusal() != nil { refused += 1 }
            }
        }
        return refused
    }

    /// The rule that refuses these bytes, or nil where they verify. An accepted plan must read as what it says: its
    /// program encodes to the very bytes it came from.
    func refusal() throws -> PlanError? {
        let plan: Plan
        do throws(PlanError) { plan = try Plan(bytes: bytes) } catch { return error }
        let program = [UInt8](bytes[try entry(.program).range])
        let tensors = [UInt8](bytes[try entry(.tensors).range])
        #expect(ProgramEncoder.encode(plan.program) == program)
        #expect(ProgramEncoder.encode(plan.program.tensors) == tensors)
        return nil
    }
}
