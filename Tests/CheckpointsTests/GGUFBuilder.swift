/// Writes GGUF files field by field, right or wrong.
struct GGUFBuilder {
    var magic = Array("GGUF".utf8)
    var version: UInt32 = 3
    var tensorCount: UInt64?
    var keyCount: UInt64?
    var pairs: [[UInt8]] = []
    var tensors: [[UInt8]] = []
    var alignment = 32
    var data: [UInt8] = []

    var bytes: [UInt8] {
        var result = magic + little(version)
        result += little(tensorCount ?? UInt64(tensors.count)) + little(keyCount ?? UInt64(pairs.count))
        result += pairs.flatMap { $0 } + tensors.flatMap { $0 }
        result += [UInt8](repeating: 0, count: (alignment - result.count % alignment) % alignment)
        return result + data
    }

    mutating func add(_ key: String, type: UInt32, _ value: [UInt8]) {
        pairs.append(GGUFBuilder.text(key) + little(type) + value)
    }

    mutating func addTensor(
        _ name: String, rank: UInt32? = nil, dimensions: [UInt64], type: UInt32 = 0, offset: UInt64 = 0
    ) {
        tensors.append(
            GGUFBuilder.text(name) + little(rank ?? UInt32(dimensions.count)) + dimensions.flatMap { little($0) }
                + little(type) + little(offset))
    }

    static func text(_ text: String) -> [UInt8] { little(UInt64(text.utf8.count)) + Array(text.utf8) }
}

/// The bytes of an integer, little-endian.
func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }

/// Values at which counts, lengths and offsets go wrong.
let extremes: [UInt64] = [
    0, 1, 1 << 31 - 1, 1 << 31, 1 << 32 - 1, 1 << 32, 1 << 60, 1 << 62, 1 << 63 - 1, 1 << 63, .max - 31, .max - 1, .max,
]
