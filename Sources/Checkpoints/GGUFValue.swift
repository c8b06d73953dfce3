/// A metadata value of a GGUF file (formats/gguf.md, "Metadata").
public enum GGUFValue: Sendable {
    /// UINT8, UINT16, UINT32, UINT64.
    case unsigned(UInt64)
    /// INT8, INT16, INT32, INT64.
    case signed(Int64)
    /// FLOAT32, FLOAT64.
    case float(Double)
    case boolean(Bool)
    /// Raw bytes: GGUF strings should be UTF-8, but nothing guarantees it.
    case string(ByteView)
    case array(GGUFArray)
}

/// The type tag of a metadata value.
public enum GGUFValueType: UInt32, Sendable, Hashable {
    case uint8 = 0
    case int8 = 1
    case uint16 = 2
    case int16 = 3
    case uint32 = 4
    case int32 = 5
    case float32 = 6
    case boolean = 7
    case string = 8
    case array = 9
    case uint64 = 10
    case int64 = 11
    case float64 = 12

    /// Bytes of one value, or the fewest that one can take for strings (a length) and arrays (a type and a count).
    var minimumBytes: Int {
        switch self {
        case .uint8, .int8, .boolean: 1
        case .uint16, .int16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64, .string: 8
        case .array: 12
        }
    }

    /// Decodes one scalar; nil for strings and arrays. The bytes must be there.
    func scalar(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> GGUFValue? {
        func load<T: FixedWidthInteger>(_: T.Type) -> T {
            T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
        }
        return switch self {
        case .uint8: .unsigned(UInt64(load(UInt8.self)))
        case .int8: .signed(Int64(load(Int8.self)))
        case .uint16: .unsigned(UInt64(load(UInt16.self)))
        case .int16: .signed(Int64(load(Int16.self)))
        case .uint32: .unsigned(UInt64(load(UInt32.self)))
        case .int32: .signed(Int64(load(Int32.self)))
        case .float32: .float(Double(Float(bitPattern: load(UInt32.self))))
        case .boolean: .boolean(load(UInt8.self) != 0)
        case .uint64: .unsigned(load(UInt64.self))
        case .int64: .signed(load(Int64.self))
        case .float64: .float(Double(bitPattern: load(UInt64.self)))
        case .string, .array: nil
        }
    }
}
