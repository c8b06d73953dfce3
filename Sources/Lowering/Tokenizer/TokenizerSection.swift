import Tokenization

/// The tables of a tokenizer section on their way into its bytes (formats/tokenizer.md, "Layout").
struct TokenizerSection {
    var flags: UInt32 = 0
    var tokenCount = 0
    var beginning = TokenizerLayout.none
    private var tables = [[UInt32]](repeating: [], count: TokenizerLayout.Table.allCases.count)

    /// Sets a table's elements, each of which fits into as many bytes as the table's elements have.
    mutating func set(_ table: TokenizerLayout.Table, _ values: some Sequence<some FixedWidthInteger>) {
        tables[table.rawValue] = values.map { UInt32($0) }
    }

    /// The section's bytes.
    var bytes: [UInt8] {
        func padded(_ count: Int) -> Int {
            (count + TokenizerLayout.alignment - 1) / TokenizerLayout.alignment * TokenizerLayout.alignment
        }
        let widths = TokenizerLayout.Table.allCases.map { table in
            TokenizerLayout.elementBytes(table, flags: flags, tokenCount: tokenCount) {
                UInt64(tables[$0.rawValue].count)
            }
        }
        let sizes = zip(tables, widths).map { padded($0.count * $1) }
        let length = sizes.reduce(TokenizerLayout.headerBytes, +)
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
        for (table, size) in zip(tables, sizes) {
            append(UInt64(offset))
            append(UInt64(table.count))
            offset += size
        }
        for (table, width) in zip(tables, widths) {
            for value in table {
                withUnsafeBytes(of: value.littleEndian) { result += $0.prefix(width) }
            }
            result += Array(repeating: 0, count: padded(result.count) - result.count)
        }
        return result
    }
}
