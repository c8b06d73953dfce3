/// A section whose header and directory were checked: every table lies inside it, in order and aligned.
struct SectionView {
    let base: UnsafeRawPointer
    let flags: UInt32
    let tokenCount: Int
    let beginning: UInt32

    init(_ section: UnsafeRawBufferPointer) throws(TokenizerError) {
        guard let base = section.baseAddress, section.count >= TokenizerLayout.headerBytes else {
            throw .length(expected: UInt64(TokenizerLayout.headerBytes), found: section.count)
        }
        guard UInt(bitPattern: base) % UInt(TokenizerLayout.alignment) == 0 else { throw .misaligned }
        self.base = base
        let version = base.load(fromByteOffset: 0, as: UInt32.self)
        guard version == TokenizerLayout.version else { throw .unsupportedVersion(version) }
        flags = base.load(fromByteOffset: 4, as: UInt32.self)
        guard flags & ~TokenizerLayout.composes == 0 else { throw .unsupportedFlags(flags) }
        let tokens = base.load(fromByteOffset: 8, as: UInt32.self)
        guard tokens > 0, tokens <= UInt32(TokenizerLayout.maximumTokens) else {
            throw .table(.tokenOffsets, position: 0, .count)
        }
        tokenCount = Int(tokens)
        beginning = base.load(fromByteOffset: 12, as: UInt32.self)
        guard beginning < tokens || beginning == TokenizerLayout.none else {
            throw .table(.tokenFlags, position: 0, .outOfRange)
        }
        let length = base.load(fromByteOffset: 16, as: UInt64.self)
        guard length == UInt64(section.count) else { throw .length(expected: length, found: section.count) }
        guard base.load(fromByteOffset: 24, as: UInt64.self) == 0 else {
            throw .table(.tokenOffsets, position: 0, .unknownBits)
        }
        try checkDirectory(length: section.count)
    }

    private func checkDirectory(length: Int) throws(TokenizerError) {
        var expected = TokenizerLayout.headerBytes
        for table in TokenizerLayout.Table.allCases {
            let entry = TokenizerLayout.fixedBytes + table.rawValue * TokenizerLayout.entryBytes
            guard base.load(fromByteOffset: entry, as: UInt64.self) == UInt64(expected) else {
                throw .table(table, position: 0, .misplaced)
            }
            let count = base.load(fromByteOffset: entry + 8, as: UInt64.self)
            // The first test keeps the second one's product in range.
            guard count <= UInt64(length), Int(count) <= (length - expected) / table.elementBytes else {
                throw .table(table, position: 0, .truncated)
            }
            let end = expected + Int(count) * table.elementBytes
            expected = (end + TokenizerLayout.alignment - 1) / TokenizerLayout.alignment * TokenizerLayout.alignment
            guard expected <= length else { throw .table(table, position: Int(count), .truncated) }
        }
        guard expected == length else { throw .length(expected: UInt64(expected), found: length) }
    }

    private func entry(_ table: TokenizerLayout.Table) -> Int {
        TokenizerLayout.fixedBytes + table.rawValue * TokenizerLayout.entryBytes
    }

    func count(_ table: TokenizerLayout.Table) -> Int {
        Int(base.load(fromByteOffset: entry(table) + 8, as: UInt64.self))
    }

    private func start(_ table: TokenizerLayout.Table) -> UnsafeRawPointer {
        base + Int(base.load(fromByteOffset: entry(table), as: UInt64.self))
    }

    func words(_ table: TokenizerLayout.Table) -> UnsafePointer<UInt32> {
        start(table).assumingMemoryBound(to: UInt32.self)
    }

    func halves(_ table: TokenizerLayout.Table) -> UnsafePointer<UInt16> {
        start(table).assumingMemoryBound(to: UInt16.self)
    }

    func bytes(_ table: TokenizerLayout.Table) -> UnsafePointer<UInt8> {
        start(table).assumingMemoryBound(to: UInt8.self)
    }
}
