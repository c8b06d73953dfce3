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
        guard flags & ~TokenizerLayout.Flag.all == 0 else { throw .unsupportedFlags(flags) }
        let tokens = base.load(fromByteOffset: 8, as: UInt32.self)
        guard tokens > 0, tokens <= UInt32(TokenizerLayout.maximumTokens) else {
            throw .table(.tokenOffsets, position: 0, .count)
        }
        tokenCount = Int(tokens)
        beginning = base.load(fromByteOffset: 12, as: UInt32.self)
        guard beginning < tokens || beginning == TokenizerLayout.none else {
            throw .table(.tokenOffsets, position: 0, .outOfRange)
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
            guard base.load(fromByteOffset: entry(table), as: UInt64.self) == UInt64(expected) else {
                throw .table(table, position: 0, .misplaced)
            }
            let count = storedCount(table)
            let elementBytes = elementBytes(table)
            // The first test keeps the second one's product in range.
            guard count <= UInt64(length), Int(count) <= (length - expected) / elementBytes else {
                throw .table(table, position: 0, .truncated)
            }
            let end = expected + Int(count) * elementBytes
            expected = (end + TokenizerLayout.alignment - 1) / TokenizerLayout.alignment * TokenizerLayout.alignment
            guard expected <= length else { throw .table(table, position: Int(count), .truncated) }
        }
        guard expected == length else { throw .length(expected: UInt64(expected), found: length) }
    }

    private func entry(_ table: TokenizerLayout.Table) -> Int {
        TokenizerLayout.fixedBytes + table.rawValue * TokenizerLayout.entryBytes
    }

    /// The number of elements as the directory has it, whatever it is.
    private func storedCount(_ table: TokenizerLayout.Table) -> UInt64 {
        base.load(fromByteOffset: entry(table) + 8, as: UInt64.self)
    }

    func elementBytes(_ table: TokenizerLayout.Table) -> Int {
        TokenizerLayout.elementBytes(table, flags: flags, tokenCount: tokenCount, count: storedCount)
    }

    func count(_ table: TokenizerLayout.Table) -> Int { Int(storedCount(table)) }

    func start(_ table: TokenizerLayout.Table) -> UnsafeRawPointer {
        base + Int(base.load(fromByteOffset: entry(table), as: UInt64.self))
    }

    func packed(_ table: TokenizerLayout.Table) -> PackedNumbers {
        PackedNumbers(start(table), width: elementBytes(table))
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
