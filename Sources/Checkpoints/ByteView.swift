/// A range of a mapped file as a collection of bytes; keeps the mapping alive, copies nothing.
public struct ByteView: RandomAccessCollection, Sendable {
    @usableFromInline let mapping: Mapping
    /// Where the bytes lie in the file.
    public let range: Range<Int>

    /// `range` must lie inside the mapping.
    @inlinable init(_ mapping: Mapping, _ range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= mapping.bytes.count)
        self.mapping = mapping
        self.range = range
    }

    @inlinable public var startIndex: Int { 0 }
    @inlinable public var endIndex: Int { range.count }

    @inlinable public subscript(position: Int) -> UInt8 {
        precondition(position >= 0 && position < range.count)
        return mapping.bytes[range.lowerBound + position]
    }

    /// Lends the bytes for the duration of the call.
    @inlinable public func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let result = try body(UnsafeRawBufferPointer(rebasing: mapping.bytes[range]))
        // The pointer that was lent lives as long as the mapping, which nothing else here holds.
        withExtendedLifetime(mapping) {}
        return result
    }

    @inlinable public func withContiguousStorageIfAvailable<Result>(
        _ body: (UnsafeBufferPointer<UInt8>) throws -> Result
    ) rethrows -> Result? {
        defer { withExtendedLifetime(mapping) {} }
        return try body(UnsafeRawBufferPointer(rebasing: mapping.bytes[range]).bindMemory(to: UInt8.self))
    }
}

extension ByteView: Equatable {
    /// Whether the bytes are the same, wherever they lie.
    public static func == (left: ByteView, right: ByteView) -> Bool { left.elementsEqual(right) }
}
