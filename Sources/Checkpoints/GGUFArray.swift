/// An array in the metadata of a GGUF file. Its elements stay in the mapping until they are asked for.
public struct GGUFArray: Sendable {
    enum Storage: Sendable {
        /// Numbers or booleans, one after the other.
        case scalars(ByteView)
        case strings(GGUFStrings)
        case arrays([GGUFArray])
    }

    public let elementType: GGUFValueType
    public let count: Int
    let storage: Storage

    /// The elements where they are strings.
    public var strings: GGUFStrings? {
        if case .strings(let strings) = storage { strings } else { nil }
    }

    /// The elements where they are arrays.
    public var arrays: [GGUFArray]? {
        if case .arrays(let arrays) = storage { arrays } else { nil }
    }

    /// The elements where they are integers of any width that fit `Int64`.
    public var integers: [Int64]? {
        scalars { value in
            switch value {
            case .unsigned(let number): Int64(exactly: number)
            case .signed(let number): number
            case .float, .boolean, .string, .array: nil
            }
        }
    }

    /// The elements where they are floats.
    public var floats: [Double]? {
        scalars { if case .float(let number) = $0 { number } else { nil } }
    }

    /// The elements where they are booleans.
    public var booleans: [Bool]? {
        scalars { if case .boolean(let flag) = $0 { flag } else { nil } }
    }

    private func scalars<Element>(_ convert: (GGUFValue) -> Element?) -> [Element]? {
        guard case .scalars(let view) = storage else { return nil }
        return view.withUnsafeBytes { bytes -> [Element]? in
            var result: [Element] = []
            result.reserveCapacity(count)
            for index in 0..<count {
                guard let value = elementType.scalar(bytes, at: index * elementType.minimumBytes),
                    let element = convert(value)
                else { return nil }
                result.append(element)
            }
            return result
        }
    }
}

/// The strings of a metadata array, as views of the mapping: no allocation a string.
public struct GGUFStrings: RandomAccessCollection, Sendable {
    @usableFromInline let mapping: Mapping
    /// Where each string begins in the file; then, once more, where one after the last would begin.
    @usableFromInline let starts: [Int]

    /// Bytes of the length before each string.
    @usableFromInline static let lengthBytes = 8

    /// `starts` must rise by at least `lengthBytes` and end inside the mapping (`lengthBytes` past the last string).
    init(_ mapping: Mapping, starts: [Int]) {
        precondition(!starts.isEmpty)
        self.mapping = mapping
        self.starts = starts
    }

    @inlinable public var startIndex: Int { 0 }
    @inlinable public var endIndex: Int { starts.count - 1 }

    @inlinable public subscript(position: Int) -> ByteView {
        ByteView(mapping, starts[position]..<(starts[position + 1] - GGUFStrings.lengthBytes))
    }
}
