/// Canonical composition from compiled tables (formats/tokenizer.md, "Normalization").
struct NormalizationTables {
    let index: UnsafePointer<UInt16>
    let pages: UnsafePointer<UInt16>
    let records: UnsafePointer<UInt32>
    let mappings: UnsafePointer<UInt32>
    let compositions: UnsafePointer<UInt32>
    let compositionCount: Int

    /// Marks a byte that is part of no character, on its way through composition.
    private static let strayByte: UInt32 = 0x8000_0000

    @inline(__always)
    private func record(_ scalar: UInt32) -> UnsafePointer<UInt32> {
        let page = Int(index[Int(scalar >> 8)])
        return records + Int(pages[page &* 256 &+ Int(scalar & 0xFF)]) &* TokenizerLayout.normalizationWords
    }

    private func combiningClass(_ scalar: UInt32) -> UInt32 {
        scalar & NormalizationTables.strayByte != 0 ? 0 : record(scalar)[0] & 0xFF
    }

    /// Whether composition can change a scalar or join it with others.
    private func isActive(_ scalar: UInt32) -> Bool {
        scalar & NormalizationTables.strayByte == 0
            && record(scalar)[0] & TokenizerLayout.NormalizationFlag.active != 0
    }

    /// Whether composition certainly leaves a text as it is.
    func isInert(_ text: UnsafePointer<UInt8>, count: Int) -> Bool {
        var position = 0
        while position < count {
            if text[position] < 0x80 {
                position &+= 1
                continue
            }
            let decoded = ScalarDecoding.scalar(text, at: position, end: count)
            if let value = decoded.value, isActive(value) { return false }
            position &+= decoded.length
        }
        return true
    }

    /// The composed form of a text. Bytes that are part of no character stay as they are.
    func composed(_ text: UnsafePointer<UInt8>, count: Int) -> [UInt8] {
        var scalars = decomposed(text, count: count)
        compose(&scalars)
        var result: [UInt8] = []
        result.reserveCapacity(count)
        for scalar in scalars {
            if scalar & NormalizationTables.strayByte != 0 {
                result.append(UInt8(truncatingIfNeeded: scalar))
            } else {
                ScalarDecoding.append(scalar, to: &result)
            }
        }
        return result
    }

    private func decomposed(_ text: UnsafePointer<UInt8>, count: Int) -> [UInt32] {
        var result: [UInt32] = []
        result.reserveCapacity(count)
        // Marks since the last starter, to be brought into the order of their classes.
        var run = 0
        var position = 0
        while position < count {
            let decoded = ScalarDecoding.scalar(text, at: position, end: count)
            let byte = UInt32(text[position])
            position += decoded.length
            guard let value = decoded.value else {
                sortMarks(&result, from: run)
                result.append(NormalizationTables.strayByte | byte)
                run = result.count
                continue
            }
            if let syllable = Hangul.decomposed(value) {
                sortMarks(&result, from: run)
                result.append(syllable.leading)
                result.append(syllable.vowel)
                if let trailing = syllable.trailing { result.append(trailing) }
                run = result.count
                continue
            }
            let record = record(value)
            let length = Int(record[0] >> 8 & 0xFF)
            for offset in 0..<max(length, 1) {
                let part = length == 0 ? value : mappings[Int(record[1]) + offset]
                if combiningClass(part) == 0 {
                    sortMarks(&result, from: run)
                    result.append(part)
                    run = result.count
                } else {
                    result.append(part)
                }
            }
        }
        sortMarks(&result, from: run)
        return result
    }

    /// Sorts marks by class, equals in their order.
    private func sortMarks(_ scalars: inout [UInt32], from start: Int) {
        guard scalars.count - start > 1 else { return }
        var isSorted = true
        for index in start + 1..<scalars.count
        where combiningClass(scalars[index - 1]) > combiningClass(scalars[index]) {
            isSorted = false
        }
        if isSorted { return }
        // Counting sort: linear however long the run is.
        var places = [Int](repeating: 0, count: 257)
        for index in start..<scalars.count { places[Int(combiningClass(scalars[index])) + 1] += 1 }
        for value in 1...256 { places[value] += places[value - 1] }
        let marks = [UInt32](scalars[start...])
        for mark in marks {
            let value = Int(combiningClass(mark))
            scalars[start + places[value]] = mark
            places[value] += 1
        }
    }

    /// Joins each starter with what follows it as far as nothing stands between.
    private func compose(_ scalars: inout [UInt32]) {
        var write = 0
        var starter = -1
        var lastClass: UInt32 = 0
        for read in scalars.indices {
            let scalar = scalars[read]
            let ownClass = combiningClass(scalar)
            let isAdjacent = starter == write - 1
            if starter >= 0, isAdjacent || (lastClass < ownClass && lastClass != 0),
                let composite = composite(scalars[starter], scalar)
            {
                scalars[starter] = composite
                continue
            }
            scalars[write] = scalar
            if ownClass == 0 { starter = write }
            lastClass = ownClass
            write += 1
        }
        scalars.removeLast(scalars.count - write)
    }

    private func composite(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if let syllable = Hangul.composed(first, second) { return syllable }
        // What joins no scalar before it, as most of any text, needs no search.
        guard isActive(second) else { return nil }
        let key = UInt64(first) << 32 | UInt64(second)
        var low = 0
        var high = compositionCount
        while low < high {
            let middle = (low &+ high) / 2
            let entry = compositions + middle &* TokenizerLayout.compositionWords
            let found = UInt64(entry[0]) << 32 | UInt64(entry[1])
            if found == key { return entry[2] }
            if found < key { low = middle &+ 1 } else { high = middle }
        }
        return nil
    }
}

/// The arithmetic of Hangul syllables.
enum Hangul {
    private static let syllables: UInt32 = 0xAC00
    private static let leading: UInt32 = 0x1100
    private static let vowels: UInt32 = 0x1161
    private static let trailing: UInt32 = 0x11A7
    private static let vowelCount: UInt32 = 21
    private static let trailingCount: UInt32 = 28
    private static let syllableCount: UInt32 = 11172

    static func decomposed(_ scalar: UInt32) -> (leading: UInt32, vowel: UInt32, trailing: UInt32?)? {
        guard scalar >= syllables, scalar < syllables + syllableCount else { return nil }
        let index = scalar - syllables
        let last = index % trailingCount
        return (
            leading + index / (vowelCount * trailingCount),
            vowels + index % (vowelCount * trailingCount) / trailingCount,
            last == 0 ? nil : trailing + last
        )
    }

    static func composed(_ first: UInt32, _ second: UInt32) -> UInt32? {
        if (leading..<leading + 19).contains(first), (vowels..<vowels + vowelCount).contains(second) {
            return syllables + ((first - leading) * vowelCount + second - vowels) * trailingCount
        }
        if (syllables..<syllables + syllableCount).contains(first), (first - syllables) % trailingCount == 0,
            (trailing + 1..<trailing + trailingCount).contains(second)
        {
            return first + second - trailing
        }
        return nil
    }
}
