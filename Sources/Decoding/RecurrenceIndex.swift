/// A sequence, and where each run of a few of its tokens was seen last: what prompt lookup (LLMA, Yang et al. 2023) copies
/// from. Each token takes constant time.
struct RecurrenceIndex {
    private(set) var tokens: [UInt32] = []
    /// For each of `lengths`, the index of the token behind the last run with a hash.
    private var next: [[UInt64: Int]]

    /// Lengths of runs that are looked up, the longest first. One token alone says too little.
    private static let lengths = [6, 4, 3, 2]
    /// A match is followed back for so many tokens.
    static let longestMatch = 32

    init() {
        next = RecurrenceIndex.lengths.map { _ in [:] }
    }

    mutating func append(_ token: UInt32) {
        for (index, length) in RecurrenceIndex.lengths.enumerated() where tokens.count >= length {
            next[index][RecurrenceIndex.hash(length, { tokens[tokens.count - 1 - $0] })] = tokens.count
        }
        tokens.append(token)
    }

    /// What followed when the end of the sequence and `path`, which goes on behind it, was seen last; and how many tokens were
    /// the same then. Longer runs come first; nil where not even two tokens were ever seen before something.
    func match(behind path: [UInt32]) -> (token: UInt32, length: Int)? {
        let count = tokens.count + path.count
        // The token so many places before the end.
        func token(_ back: Int) -> UInt32 {
            back < path.count ? path[path.count - 1 - back] : tokens[count - 1 - back]
        }
        for (index, length) in RecurrenceIndex.lengths.enumerated() where count >= length {
            guard let found = next[index][RecurrenceIndex.hash(length, token)] else { continue }
            var same = 0
            while same < min(RecurrenceIndex.longestMatch, found, count), tokens[found - 1 - same] == token(same) {
                same += 1
            }
            // Runs with one hash may differ.
            if same >= length { return (tokens[found], same) }
        }
        return nil
    }

    /// 64-bit FNV-1a over the last `length` tokens, each given by its place from the end.
    private static func hash(_ length: Int, _ token: (Int) -> UInt32) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for back in 0..<length { hash = (hash ^ UInt64(token(back))) &* 0x100_0000_01B3 }
        return hash
    }
}
