import CSystem

/// Writes a plan file (formats/plan.md): the weights as they come, then everything else, then the header.
///
/// Nothing is seen under the plan's path until `finish` has returned; a writer that is dropped before leaves nothing.
/// A plan that is in use may be replaced: its readers keep the old file.
public struct PlanWriter: ~Copyable {
    private var file: TemporaryFile
    /// Bytes of weights written so far.
    public private(set) var weightsBytes = 0
    private var checksum = Checksum()

    /// Where the weights begin: behind the header and the largest section table.
    private static let weightsOffset = 4096

    /// Makes room for a plan whose weights take `weightsBytes`; throws where that cannot be written.
    public init(path: UnsafePointer<CChar>, weightsBytes: Int) throws(PlanError) {
        let file = try TemporaryFile.create(path: Path(path))
        try file.reserve(weightsBytes)
        try file.write([UInt8](repeating: 0, count: PlanWriter.weightsOffset))
        self.file = file
    }

    /// Appends weights.
    public mutating func append(_ bytes: UnsafeRawBufferPointer) throws(PlanError) {
        try file.write(bytes)
        checksum.append(bytes)
        weightsBytes += bytes.count
    }

    /// Appends weights.
    public mutating func append(_ bytes: [UInt8]) throws(PlanError) {
        try file.write(bytes)
        checksum.append(bytes)
        weightsBytes += bytes.count
    }

    /// Appends zeros up to a tensor's offset; does nothing where the weights are already that long.
    public mutating func pad(to offset: Int) throws(PlanError) {
        let zeros = [UInt8](repeating: 0, count: 4096)
        while weightsBytes < offset {
            try append([UInt8](zeros.prefix(offset - weightsBytes)))
        }
    }

    /// Verifies the program, writes the other sections and the header, and moves the file to its path; an empty
    /// tokenizer, template or facts leaves the section out. Returns the plan's size in bytes.
    public consuming func finish(
        program: Program, tokenizer: [UInt8] = [], chatTemplate: [UInt8] = [], facts: [UInt8] = [],
        limits: Limits = .standard
    ) throws(PlanError) -> Int {
        try program.verify(weightsBytes: weightsBytes, limits: limits)
        var sections = [
            Section(
                kind: SectionKind.weights.rawValue, flags: [], offset: PlanWriter.weightsOffset,
                storedSize: weightsBytes, rawSize: weightsBytes, checksum: checksum.value)
        ]
        var end = PlanWriter.weightsOffset + weightsBytes
        for section in try PlanWriter.sections(
            program: program, tokenizer: tokenizer, chatTemplate: chatTemplate, facts: facts)
        {
            let padding = section.kind.padding(at: end)
            try file.write([UInt8](repeating: 0, count: padding))
            try file.write(section.stored)
            sections.append(
                Section(
                    kind: section.kind.rawValue, flags: section.kind.flags,
                    offset: end + padding, storedSize: section.stored.count, rawSize: section.rawSize,
                    checksum: Checksum.of(section.stored)))
            end += padding + section.stored.count
        }
        try file.overwriteStart(with: Header(fileSize: end, sections: sections).encoded())
        try file.commit(size: end)
        return end
    }

    /// The size of the plan that `finish` would write behind weights of `weightsBytes`.
    public static func byteCount(
        weightsBytes: Int, program: Program, tokenizer: [UInt8] = [], chatTemplate: [UInt8] = [], facts: [UInt8] = []
    ) throws(PlanError) -> Int {
        try sections(program: program, tokenizer: tokenizer, chatTemplate: chatTemplate, facts: facts)
            .reduce(weightsOffset + weightsBytes) { $0 + $1.kind.padding(at: $0) + $1.stored.count }
    }

    /// The sections behind the weights that have anything in them, as they are stored.
    private static func sections(
        program: Program, tokenizer: [UInt8], chatTemplate: [UInt8], facts: [UInt8]
    ) throws(PlanError) -> [(kind: SectionKind, stored: [UInt8], rawSize: Int)] {
        let contents: [(SectionKind, [UInt8])] = [
            (.program, ProgramEncoder.encode(program)), (.tensors, ProgramEncoder.encode(program.tensors)),
            (.tokenizer, tokenizer), (.chatTemplate, chatTemplate), (.facts, facts),
            (.skipped, ProgramEncoder.encode(skipped: program.skipped)),
        ]
        var sections: [(kind: SectionKind, stored: [UInt8], rawSize: Int)] = []
        for (kind, raw) in contents where !raw.isEmpty {
            sections.append((kind, kind.isDeflated ? try Deflate.compress(raw) : raw, raw.count))
        }
        return sections
    }
}

extension SectionKind {
    /// Bytes between `end`, where the section before it ends, and the section.
    fileprivate func padding(at end: Int) -> Int { (alignment - end % alignment) % alignment }
}
