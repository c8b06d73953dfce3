import CZlib

/// The CRC-32 of zlib, PNG and Ethernet over bytes given piece by piece.
struct Checksum {
    private(set) var value: UInt32 = 0

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        // zlib counts in 32 bits.
        while !rest.isEmpty {
            let piece = min(rest.count, 1 << 30)
            value = UInt32(
                truncatingIfNeeded: crc32(
                    UInt(value), rest.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt32(piece)))
            rest = UnsafeRawBufferPointer(rebasing: rest[piece...])
        }
    }

    mutating func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append($0) }
    }

    static func of(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var checksum = Checksum()
        checksum.append(bytes)
        return checksum.value
    }

    static func of(_ bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBytes { of($0) }
    }
}
