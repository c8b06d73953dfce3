/// The values that a quantized weight may take, as multiples of its group's scale.
public struct Grid: Sendable, Equatable {
    /// Bits of one code.
    public enum Bits: Int, Sendable, CaseIterable {
        case two = 2
        case three = 3
        case four = 4
        case five = 5
        case six = 6
        case eight = 8
    }

    /// Where the levels lie.
    public enum Kind: Sendable, Equatable, CaseIterable {
        /// level(q) = q - 2^(bits-1): zero is a level, and there is one more below it than above.
        case symmetric
        /// level(q) = 2q - (2^bits - 1): odd levels, as many below zero as above.
        case centered
    }

    public let bits: Bits
    public let kind: Kind

    public init(bits: Bits, kind: Kind) {
        self.bits = bits
        self.kind = kind
    }

    /// The number of levels.
    public var count: Int { 1 << bits.rawValue }

    /// The level of a code: the weight's value is the scale times it, exact in float32.
    public func level(_ code: UInt8) -> Int {
        switch kind {
        case .symmetric: Int(code) - count / 2
        case .centered: 2 * Int(code) - (count - 1)
        }
    }

    /// The lowest level, that of code 0.
    public var lowest: Int { level(0) }

    /// The highest level.
    public var highest: Int { level(UInt8(count - 1)) }

    /// From one level to the next.
    public var step: Int { kind == .symmetric ? 1 : 2 }
}
