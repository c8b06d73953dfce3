import Tokenization

/// The tables of a tokenizer section on their way into its bytes (formats/tokenizer.md, "Layout").
struct TokenizerSection {
    var flags: UInt32 = 0
    var tokenCount = 0
    var beginning = TokenizerLayout.none
    private var tables = [[UInt8]](repeating: [], count: TokenizerLayout.Table.allCases.count)

    mutating func set(_ table: TokenizerLayout.Table, _ values: [UInt8]) {
        tables[table.rawValue] = values
    }

    mutating func set<Value: FixedWidthInteger>(_ table: TokenizerLayout.Table, _ values: [Value]) {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(values.count * MemoryLayout<Value>.size)
        for value in values { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }
        tables[table.rawValue] = bytes
    }

    /// The section's bytes.
    var bytes: [UInt8] {
        func padded(_ count: Int) -> Int {
            (count + TokenizerLayout.alignment - 1) / TokenizerLayout.alignment * TokenizerLayout.alignment
        }
        let length = tables.reduce(TokenizerLayout.headerBytes) { $0 + padded($1.count) }
        var result: [UInt8] = []
        result.reserveCapacity(length)
        func append<Value: FixedWidthInteger>(_ value: Value) {
            withUnsafeBytes(of: value.littleEndian) { result += $0 }
        }
        append(TokenizerLayout.version)
        append(flags)
        append(UInt32(tokenCount))
        append(beginning)
        append(UInt64(length))
        append(UInt64(0))
        var offset = TokenizerLayout.headerBytes
        for table in TokenizerLayout.Table.allCases {
            append(UInt64(offset))
            append(UInt64(tables[table.rawValue].count / table.elementBytes))
            offset += padded(tables[table.rawValue].count)
        }
        for table in tables {
            result += table
            result += Array(repeating: 0, count: padded(table.count) - table.count)
        }
        return result
    }
}

/// An open-addressing hash table of 32-bit words with linear probing (formats/tokenizer.md, "Hash tables").
struct HashTableBuilder {
    private(set) var words: [UInt32]
    private let entryWords: Int
    private let emptyWord: Int

    /// - Parameters:
    ///   - entries: entries to come; a third of the slots at least stays free.
    ///   - emptyWord: the word of an entry that is `none` where the slot is free.
    init(entries: Int, entryWords: Int, emptyWord: Int) {
        var slots = 2
        while slots * 2 < entries * 3 { slots *= 2 }
        words = Array(repeating: 0, count: slots * entryWords)
        self.entryWords = entryWords
        self.emptyWord = emptyWord
        for slot in 0..<slots { words[slot * entryWords + emptyWord] = TokenizerLayout.none }
    }

    /// Adds an entry whose key is not in the table yet.
    mutating func insert(_ entry: [UInt32], hash: UInt64) {
        let mask = words.count / entryWords - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while words[slot * entryWords + emptyWord] != TokenizerLayout.none { slot = (slot + 1) & mask }
        for (offset, word) in entry.enumerated() { words[slot * entryWords + offset] = word }
    }
}
