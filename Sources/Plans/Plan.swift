/// A verified plan file (formats/plan.md), mapped and used in place.
///
/// A value of this type exists only for a plan that passed every check but those of `verifyWeights`: whatever its
/// program names lies inside what the plan owns.
///
/// Sendable because nothing changes after `init` and the bytes are read-only.
public final class Plan: @unchecked Sendable {
    public let program: Program
    /// All packed tensors; tensor offsets count from here. 4096-byte aligned.
    public let weights: UnsafeRawBufferPointer
    /// The compiled tokenizer (formats/tokenizer.md), empty where the plan has none. 64-byte aligned.
    public let tokenizer: UnsafeRawBufferPointer
    public let fileSize: Int
    /// The section table, for `inspect`.
    public let sections: [Section]
    /// Major version of the format of all plans that are read and written.
    public static let majorVersion = Int(Header.major)
    /// Minor version of the format that the file was written in.
    public let minorVersion: Int
    /// Identifies the plan: 64-bit FNV-1a over header and section table, which hold the CRC-32 of every section.
    /// It tells plans apart; it does not protect against forgery.
    public let digest: UInt64

    private let storage: PlanBytes

    /// Maps a plan and verifies it without touching the weights; with `mapped` false, reads it into memory instead.
    ///
    /// Throws where the file cannot be opened, is not a plan, or breaks any rule of the format.
    public static func open(
        path: UnsafePointer<CChar>, limits: Limits = .standard, mapped: Bool = true
    ) throws(PlanError) -> Plan {
        do throws(PlanError) {
            return try Plan(storage: try PlanBytes.open(path: path, mapped: mapped, limits: limits), limits: limits)
        } catch {
            throw error.of(path: pathBytes(path))
        }
    }

    /// Verifies a plan that lies in memory; the bytes are copied.
    public convenience init(bytes: [UInt8], limits: Limits = .standard) throws(PlanError) {
        let storage = try bytes.withUnsafeBufferPointer { bytes throws(PlanError) in
            try PlanBytes.copy(of: UnsafeRawBufferPointer(bytes))
        }
        try self.init(storage: storage, limits: limits)
    }

    /// Verifies a plan that lies in memory; the bytes are copied.
    public convenience init(bytes: UnsafeRawBufferPointer, limits: Limits = .standard) throws(PlanError) {
        try self.init(storage: try PlanBytes.copy(of: bytes), limits: limits)
    }

    /// A plan that never was a file: `fill` writes the packed tensors into zeroed memory, which a tensor's offset counts
    /// into, and the program is verified as a file's is. It has no sections beside the weights.
    public init(
        program: Program, weightsBytes: Int, limits: Limits = .standard,
        filling fill: (UnsafeMutableRawBufferPointer) -> Void
    ) throws(PlanError) {
        try program.verify(weightsBytes: weightsBytes, limits: limits)
        storage = try PlanBytes.filled(count: weightsBytes, fill)
        self.program = program
        weights = storage.bytes
        tokenizer = UnsafeRawBufferPointer(start: nil, count: 0)
        fileSize = weightsBytes
        sections = []
        minorVersion = Int(Header.minor)
        digest = 0
    }

    private init(storage: PlanBytes, limits: Limits) throws(PlanError) {
        let file = storage.bytes
        let header = try Header(file, limits: limits)
        for section in header.sections where section.kind != SectionKind.weights.rawValue {
            try Plan.checkChecksum(of: section, in: file)
        }
        let weights = Plan.bytes(of: .weights, in: file, header)
        let tensors = try ProgramDecoder.tensors(Plan.bytes(of: .tensors, in: file, header), limits: limits)
        var program = try ProgramDecoder.program(
            Plan.bytes(of: .program, in: file, header), tensors: tensors, limits: limits)
        program.skipped = try ProgramDecoder.skipped(Plan.bytes(of: .skipped, in: file, header))
        try program.verify(weightsBytes: weights.count, limits: limits)
        self.program = program
        self.weights = weights
        self.storage = storage
        tokenizer = Plan.bytes(of: .tokenizer, in: file, header)
        fileSize = file.count
        sections = header.sections
        minorVersion = header.minorVersion
        digest = Header.digest(of: UnsafeRawBufferPointer(rebasing: file[..<header.tableEnd]))
    }

    /// The first bytes of every plan file.
    public static var magic: [UInt8] { Header.magic }

    /// The JSON about how the plan was made, or nil where the plan has none.
    public func facts() throws(PlanError) -> [UInt8]? { try cold(.facts) }

    /// The chat template, or nil where the plan has none.
    public func chatTemplate() throws(PlanError) -> [UInt8]? { try cold(.chatTemplate) }

    /// Throws where the mapped file has become another size since `open`: a touch of its pages could end the process.
    public func checkSize() throws(PlanError) { try storage.checkSize() }

    /// Reads all weights: their CRC-32, that the bytes between tensors are zero, and that every stored scale, minimum
    /// and float is finite.
    public func verifyWeights() throws(PlanError) {
        try checkSize()
        for section in sections where section.kind == SectionKind.weights.rawValue {
            try Plan.checkChecksum(of: section, in: storage.bytes)
        }
        try program.verifyWeights(weights)
    }

    /// `digest` as 16 hexadecimal digits.
    public var digestText: [UInt8] {
        var text: [UInt8] = []
        text.append(hexadecimal: digest, digits: 16)
        return text
    }

    private func cold(_ kind: SectionKind) throws(PlanError) -> [UInt8]? {
        try checkSize()
        for section in sections where section.kind == kind.rawValue {
            return try Deflate.inflate(
                Plan.bytes(of: section, in: storage.bytes), count: section.rawSize, section: section.kind)
        }
        return nil
    }

    private static func bytes(of section: Section, in file: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: file[section.offset..<section.offset + section.storedSize])
    }

    private static func bytes(
        of kind: SectionKind, in file: UnsafeRawBufferPointer, _ header: Header
    ) -> UnsafeRawBufferPointer {
        guard let section = header.section(kind) else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return bytes(of: section, in: file)
    }

    private static func checkChecksum(of section: Section, in file: UnsafeRawBufferPointer) throws(PlanError) {
        let checksum = Checksum.of(bytes(of: section, in: file))
        guard checksum == section.checksum else {
            throw PlanError(
                .invalid, "a section's checksum fits", at: .section(section.kind),
                expected: .bits(UInt64(section.checksum)), found: .bits(UInt64(checksum)))
        }
    }
}
