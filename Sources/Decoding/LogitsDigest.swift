/// A digest of every logit that a generation has seen: equal digests mean equal bits, whatever the machine, the number
/// of threads, the kernels or the build. 64-bit FNV-1a over the words' bits; it does not protect against forgery.
public struct LogitsDigest: Sendable, Equatable {
    public private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    public init() {}

    /// Takes in one row of logits.
    public mutating func append(_ logits: UnsafeBufferPointer<Float>) {
        for logit in logits { value = (value ^ UInt64(logit.bitPattern)) &* 0x100_0000_01B3 }
    }

    /// 16 hexadecimal digits.
    public var text: [UInt8] {
        (0..<16).map { digit in
            let nibble = UInt8(truncatingIfNeeded: value >> UInt64(60 - 4 * digit)) & 15
            return nibble < 10 ? 48 + nibble : 87 + nibble
        }
    }
}
