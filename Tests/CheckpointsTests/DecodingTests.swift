import Testing

@testable import Checkpoints

@Suite struct DecodingTests {
    @Test func everyHalfEqualsTheCompilersConversion() {
        for pattern in UInt16.min...UInt16.max {
            let expected = Float(Float16(bitPattern: pattern))
            let value = float(half: pattern)
            if expected.isNaN {
                #expect(value.isNaN)
            } else if value.bitPattern != expected.bitPattern {
                Issue.record("half \(pattern) is \(value), expected \(expected)")
            }
        }
    }

    @Test(arguments: ElementType.allCases)
    func anyRangeOfElementsEqualsTheSamePartOfTheWhole(_ type: ElementType) {
        let count = 4 * 32
        let bytes = (0..<count / type.blockElements * type.blockBytes).map { UInt8(truncatingIfNeeded: $0 * 37 + 11) }
        func decode(_ elements: Range<Int>) -> [Float] {
            var values = [Float](repeating: -1, count: elements.count)
            bytes.withUnsafeBytes { source in
                values.withUnsafeMutableBufferPointer { type.decode(source, elements: elements, into: $0) }
            }
            return values
        }
        let whole = decode(0..<count)
        for range in [0..<1, 1..<2, 31..<33, 5..<128, 32..<64, 64..<65, 127..<128, 40..<40, 0..<127] {
            #expect(bits(decode(range)) == bits(whole[range]))
        }
    }
}
