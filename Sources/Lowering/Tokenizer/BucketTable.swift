import Tokenization

/// Entries of numbers, sorted into buckets (formats/tokenizer.md, "Words and merges").
struct BucketTable {
    /// For each bucket the number of its first entry, and last the number of entries.
    private(set) var starts: [UInt32] = [0]
    /// The entries' numbers, bucket by bucket; entries of a bucket stay in their order.
    private(set) var numbers: [UInt32] = []

    init(buckets: Int, entries: [(bucket: Int, numbers: [UInt32])]) {
        var contents = [[Int]](repeating: [], count: buckets)
        for (index, entry) in entries.enumerated() { contents[entry.bucket].append(index) }
        var count: UInt32 = 0
        for content in contents {
            for index in content { numbers += entries[index].numbers }
            count += UInt32(content.count)
            starts.append(count)
        }
    }
}

extension TokenizerHash {
    /// The bucket of a word that is not empty.
    static func bucket(_ word: [UInt8], buckets: Int) -> Int {
        word.withUnsafeBufferPointer { memory in
            memory.baseAddress.map { bucket($0, count: memory.count, buckets: buckets) } ?? 0
        }
    }
}
