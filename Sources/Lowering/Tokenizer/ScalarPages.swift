/// A table over all scalar values, with equal pages of 256 stored once.
struct ScalarPages<Value: Hashable> {
    /// Number of the page for each 256 scalars.
    private(set) var index: [UInt16] = []
    /// The pages' values, one after the other.
    private(set) var values: [Value] = []

    /// - Parameter table: a value for each of the 0x110000 scalar values.
    init(_ table: [Value]) {
        var numbers: [ArraySlice<Value>: Int] = [:]
        for start in stride(from: 0, to: table.count, by: 256) {
            let page = table[start..<start + 256]
            if let number = numbers[page] {
                index.append(UInt16(number))
            } else {
                index.append(UInt16(numbers.count))
                numbers[page] = numbers.count
                values += page
            }
        }
    }
}
