/// Where keys lie in the tables of words and merges (formats/tokenizer.md, "Words", "Merges").
public enum TokenizerHash {
    private static let factor: UInt64 = 0x9E37_79B9_7F4A_7C15

    /// The bucket of a word, below `buckets`.
    @inline(__always)
    public static func bucket(_ start: UnsafePointer<UInt8>, count: Int, buckets: Int) -> Int {
        var hash = UInt64(truncatingIfNeeded: count) &* factor
        var offset = 0
        while offset &+ 8 <= count {
            hash = (hash ^ ByteString.word(start + offset)) &* factor
            hash ^= hash >> 32
            offset &+= 8
        }
        hash = (hash ^ ByteString.rest(start + offset, count: count &- offset)) &* factor
        return scaled(hash, to: buckets)
    }

    /// The bucket of a pair of tokens below `tokens`, of which there is one for each token. With the left token it tells
    /// the right one, so that entries need not hold it.
    @inline(__always)
    public static func bucket(left: UInt32, right: UInt32, tokens: Int) -> Int {
        let sum = Int(right) &+ scaled(UInt64(left) &* factor, to: tokens)
        return sum < tokens ? sum : sum &- tokens
    }

    /// The upper half of a hash, brought below a limit.
    @inline(__always)
    private static func scaled(_ hash: UInt64, to limit: Int) -> Int {
        Int(truncatingIfNeeded: ((hash >> 32) &* UInt64(truncatingIfNeeded: limit)) >> 32)
    }
}
