/// Unsigned numbers of 1 to 4 bytes each, one right behind the other (formats/tokenizer.md, "Layout").
///
/// 3 bytes behind the last number must be readable: a number is read as 4 bytes, of which its own are kept.
struct PackedNumbers {
    private let start: UnsafeRawPointer
    /// Bytes of a number.
    private let width: Int
    private let mask: UInt32

    /// - Parameter width: bytes of a number.
    init(_ start: UnsafeRawPointer, width: Int) {
        self.start = start
        self.width = width
        mask = .max >> UInt32(32 - 8 * width)
    }

    /// The number at a place that must exist.
    @inline(__always)
    subscript(index: Int) -> UInt32 { number(start + index &* width) }

    /// The numbers at a place and behind it, both of which must exist.
    @inline(__always)
    func pair(at index: Int) -> (Int, Int) {
        let place = start + index &* width
        return (Int(number(place)), Int(number(place + width)))
    }

    /// Of entries of some numbers each, the second and the last number of the first one that begins with `key`.
    @inline(__always)
    func entry(_ key: UInt32, in entries: (first: Int, end: Int), numbers: Int) -> (second: UInt32, last: UInt32)? {
        let length = numbers &* width
        var place = start + entries.first &* length
        let end = start + entries.end &* length
        while place < end {
            if number(place) == key { return (number(place + width), number(place + length - width)) }
            place += length
        }
        return nil
    }

    @inline(__always)
    private func number(_ place: UnsafeRawPointer) -> UInt32 {
        UInt32(littleEndian: place.loadUnaligned(as: UInt32.self)) & mask
    }
}
