import Checkpoints

/// One row of GGUF blocks (formats/gguf.md, "Blocks"), taken apart into codes, scales and minimums without changing a
/// value.
struct BlockRow {
    let type: ElementType
    let bytes: UnsafeRawBufferPointer

    /// Codes are unsigned, one a column, in the order of columns; scales and minimums are the stored f16 bits.
    func unpack(
        codes: UnsafeMutableBufferPointer<UInt8>, scales: UnsafeMutableBufferPointer<UInt16>,
        minimums: UnsafeMutableBufferPointer<UInt16>
    ) {
        let blockBytes = type.blockBytes
        for group in 0..<bytes.count / blockBytes {
            let block = UnsafeRawBufferPointer(rebasing: bytes[group * blockBytes..<(group + 1) * blockBytes])
            let codes = UnsafeMutableBufferPointer(rebasing: codes[group * 32..<(group + 1) * 32])
            scales[group] = block.loadUnaligned(as: UInt16.self)
            switch type {
            case .q4_0:
                BlockRow.unpackNibbles(block, at: 2, highBits: 0, codes)
            case .q4_1:
                minimums[group] = block.loadUnaligned(fromByteOffset: 2, as: UInt16.self)
                BlockRow.unpackNibbles(block, at: 4, highBits: 0, codes)
            case .q5_0:
                BlockRow.unpackNibbles(
                    block, at: 6, highBits: block.loadUnaligned(fromByteOffset: 2, as: UInt32.self), codes)
            case .q5_1:
                minimums[group] = block.loadUnaligned(fromByteOffset: 2, as: UInt16.self)
                BlockRow.unpackNibbles(
                    block, at: 8, highBits: block.loadUnaligned(fromByteOffset: 4, as: UInt32.self), codes)
            case .q8_0:
                for column in 0..<32 { codes[column] = block[2 + column] ^ 0x80 }
            case .float32, .float16, .bfloat16:
                break
            }
        }
    }

    /// Byte i holds column i in its low half and column 16 + i in its high half; bit c of `highBits` is the fifth bit of
    /// column c.
    private static func unpackNibbles(
        _ block: UnsafeRawBufferPointer, at offset: Int, highBits: UInt32, _ codes: UnsafeMutableBufferPointer<UInt8>
    ) {
        for column in 0..<16 {
            let byte = block[offset + column]
            codes[column] = (byte & 15) | UInt8((highBits >> column) & 1) << 4
            codes[column + 16] = (byte >> 4) | UInt8((highBits >> (column + 16)) & 1) << 4
        }
    }
}
