/// Whether values are finite.
enum Finiteness {
    /// True where none of the values is infinity or NaN.
    static func holds(_ values: UnsafePointer<Float>, _ count: Int) -> Bool {
        var largest: Int32 = 0
        for index in 0..<count {
            largest = max(largest, Int32(truncatingIfNeeded: values[index].bitPattern & 0x7FFF_FFFF))
        }
        return largest < 0x7F80_0000
    }
}
