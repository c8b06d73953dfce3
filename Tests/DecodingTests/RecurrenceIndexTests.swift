import Testing

@testable import Decoding

@Suite struct RecurrenceIndexTests {
    /// The length of the longest end of a sequence that stands elsewhere in it, before a token, and where the last such place is:
    /// by looking at all of them. Only lengths that are looked up count.
    private func search(_ known: [UInt32], _ path: [UInt32]) -> (token: UInt32, length: Int)? {
        let all = known + path
        for length in [6, 4, 3, 2] where all.count >= length {
            for end in stride(from: known.count - 1, through: length, by: -1)
            where known[end - length..<end].elementsEqual(all.suffix(length)) {
                var same = 0
                while same < 32, same < end, same < all.count, known[end - 1 - same] == all[all.count - 1 - same] {
                    same += 1
                }
                return (known[end], same)
            }
        }
        return nil
    }

    @Test("as a search of the whole sequence", arguments: [2, 3, 5, 40])
    func againstSearch(alphabet: UInt64) {
        var random = RandomSource(seed: alphabet)
        var index = RecurrenceIndex()
        var found = 0
        for _ in 0..<300 {
            index.append(UInt32(random.next() % alphabet))
            for length in 0..<4 {
                let path = (0..<length).map { _ in UInt32(random.next() % alphabet) }
                let expected = search(index.tokens, path)
                let match = index.match(behind: path)
                #expect(match?.token == expected?.token && match?.length == expected?.length)
                found += match == nil ? 0 : 1
            }
        }
        #expect(found > 50)
    }

    @Test func nothingIsSeenBeforeItIsFollowed() {
        var index = RecurrenceIndex()
        #expect(index.match(behind: []) == nil && index.match(behind: [1, 2]) == nil)
        for token in [1, 2, 3] as [UInt32] { index.append(token) }
        #expect(index.match(behind: []) == nil)
        #expect(index.match(behind: [1, 2])?.token == 3)
        index.append(1)
        index.append(2)
        #expect(index.match(behind: [])?.token == 3 && index.match(behind: [3])?.token == 1)
    }
}
