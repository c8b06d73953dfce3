import CZlib

/// Cold sections: one zlib stream (RFC 1950).
enum Deflate {
    /// Bytes that `compress` returns are the same for the same input and zlib.
    static func compress(_ bytes: [UInt8]) throws(PlanError) -> [UInt8] {
        var size = compressBound(UInt(bytes.count))
        var output = [UInt8](repeating: 0, count: Int(size))
        let status = output.withUnsafeMutableBufferPointer { output in
            bytes.withUnsafeBufferPointer { input in
                compress2(output.baseAddress, &size, input.baseAddress, UInt(input.count), 9)
            }
        }
        guard status == Z_OK else {
            throw PlanError(.runtime, "a cold section can be deflated", at: .file, found: .number(Int(status)))
        }
        output.removeLast(output.count - Int(size))
        return output
    }

    /// Inflates a section whose stored table says that it has `count` bytes, exactly that many.
    static func inflate(
        _ bytes: UnsafeRawBufferPointer, count: Int, section: UInt32
    ) throws(PlanError) -> [UInt8] {
        var size = UInt(count)
        var consumed = UInt(bytes.count)
        // One byte more than asked for keeps the pointer valid for an empty section.
        var output = [UInt8](repeating: 0, count: count + 1)
        let status = output.withUnsafeMutableBufferPointer { output in
            uncompress2(
                output.baseAddress, &size, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), &consumed)
        }
        guard status == Z_OK, size == UInt(count), consumed == UInt(bytes.count) else {
            throw PlanError(
                .invalid, "a cold section inflates to its size", at: .section(section), expected: .number(count),
                found: status == Z_OK ? .number(Int(size)) : .number(Int(status)))
        }
        output.removeLast()
        return output
    }
}
