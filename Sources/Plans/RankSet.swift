/// A set of small integers with its neighbours at hand: bits, and above every 64 words a word that tells which of them
/// are not zero.
struct RankSet {
    /// The lowest level first; the highest is one word.
    private var levels: [[UInt64]] = []

    init(count: Int) {
        var words = max(1, count)
        repeat {
            words = (words + 63) / 64
            levels.append([UInt64](repeating: 0, count: words))
        } while words > 1
    }

    func contains(_ rank: Int) -> Bool { levels[0][rank >> 6] & bit(rank) != 0 }

    mutating func insert(_ rank: Int) {
        var index = rank
        for level in levels.indices {
            levels[level][index >> 6] |= bit(index)
            index >>= 6
        }
    }

    mutating func remove(_ rank: Int) {
        var index = rank
        for level in levels.indices {
            levels[level][index >> 6] &= ~bit(index)
            guard levels[level][index >> 6] == 0 else { return }
            index >>= 6
        }
    }

    /// The greatest member below `rank`.
    func last(before rank: Int) -> Int? {
        var index = rank
        for level in levels.indices {
            let below = levels[level][index >> 6] & (bit(index) - 1)
            if below != 0 {
                var found = index & ~63 | (63 - below.leadingZeroBitCount)
                for lower in levels[..<level].reversed() {
                    found = found << 6 | (63 - lower[found].leadingZeroBitCount)
                }
                return found
            }
            index >>= 6
        }
        return nil
    }

    /// The least member above `rank`.
    func first(after rank: Int) -> Int? {
        var index = rank
        for level in levels.indices {
            let above = levels[level][index >> 6] & ~(bit(index) | (bit(index) - 1))
            if above != 0 {
                var found = index & ~63 | above.trailingZeroBitCount
                for lower in levels[..<level].reversed() { found = found << 6 | lower[found].trailingZeroBitCount }
                return found
            }
            index >>= 6
        }
        return nil
    }

    private func bit(_ index: Int) -> UInt64 { 1 << UInt64(index & 63) }
}
