/// What to do where an object has a key twice.
enum JSONDuplicateKeys {
    /// Refuse the text: readers would not agree on its meaning.
    case refused
    /// Take the last, as Python does.
    case lastWins
}

/// One pass over JSON text that finds what json-c reads in silence and should not: bytes that are not UTF-8, lone
/// surrogates, control characters, keys that hold NUL; and what it would lose: keys that it merges, and integers that
/// it cuts to 64 bits.
struct JSONScan {
    /// Members of all objects, duplicates included.
    private(set) var keyCount = 0
    /// Ends of integers that do not fit `Int64`.
    private(set) var wideIntegerEnds: [Int] = []

    private let bytes: UnsafeRawBufferPointer
    private let file: String
    private var offset = 0

    /// Arrays and objects may nest this deep.
    static let depthLimit = 64
    /// Arrays and objects of one text: json-c takes hundreds of bytes for each, however short its text.
    static let containerLimit = 1 << 21
    /// Values of one text, in all.
    static let valueLimit = 1 << 23

    init(_ bytes: UnsafeRawBufferPointer, file: String) throws(CheckpointError) {
        self.bytes = bytes
        self.file = file
        let space: [UInt8] = [0x20, 0x09, 0x0a, 0x0d]
        while offset < bytes.count, space.contains(bytes[offset]) { offset += 1 }
        guard offset < bytes.count, [UInt8(ascii: "{"), UInt8(ascii: "[")].contains(bytes[offset]) else {
            throw error("an object or an array", offset < bytes.count ? "byte \(bytes[offset])" : "the end")
        }
        try scan()
    }

    private mutating func scan() throws(CheckpointError) {
        var depth = 0
        var containerCount = 0
        var separatorCount = 0
        var textHoldsNul = false
        while offset < bytes.count {
            switch bytes[offset] {
            case UInt8(ascii: "\""):
                textHoldsNul = try scanText()
                continue
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"):
                try scanNumber()
                continue
            case UInt8(ascii: ":"):
                keyCount += 1
                guard !textHoldsNul else {
                    throw CheckpointError(
                        .unsupported, file: file, at: .offset(offset), expected: "a key without NUL", found: "\\u0000")
                }
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                depth += 1
                containerCount += 1
                guard containerCount <= JSONScan.containerLimit else {
                    throw error("at most \(JSONScan.containerLimit) arrays and objects", "more")
                }
                guard depth <= JSONScan.depthLimit else {
                    throw error("values nested at most \(JSONScan.depthLimit) deep", "deeper ones")
                }
            case UInt8(ascii: ","):
                separatorCount += 1
                guard separatorCount < JSONScan.valueLimit else {
                    throw error("at most \(JSONScan.valueLimit) values", "more")
                }
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                depth -= 1
            case UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: " "),
                UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"):
                break
            default:
                throw error("JSON text", "byte \(bytes[offset])")
            }
            offset += 1
        }
    }

    /// Steps over a number, and notes it where it is an integer that `Int64` does not hold.
    private mutating func scanNumber() throws(CheckpointError) {
        let isNegative = bytes[offset] == UInt8(ascii: "-")
        if isNegative { offset += 1 }
        var value: Int64 = 0
        var isWide = false
        while let digit = digit(at: offset) {
            let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = scaled.addingReportingOverflow(isNegative ? -digit : digit)
            isWide = isWide || overflow || carry
            value = sum
            offset += 1
        }
        let end = offset
        if offset < bytes.count, bytes[offset] == UInt8(ascii: ".") { try scanDigits(after: 1) }
        if offset < bytes.count, bytes[offset] | 0x20 == UInt8(ascii: "e") {
            let next = offset + 1 < bytes.count ? bytes[offset + 1] : 0
            try scanDigits(after: next == UInt8(ascii: "+") || next == UInt8(ascii: "-") ? 2 : 1)
        }
        if isWide, offset == end { wideIntegerEnds.append(end) }
    }

    private mutating func scanDigits(after prefix: Int) throws(CheckpointError) {
        offset += prefix
        guard digit(at: offset) != nil else { throw error("a digit", "something else") }
        while digit(at: offset) != nil { offset += 1 }
    }

    private func digit(at offset: Int) -> Int64? {
        guard offset < bytes.count, case UInt8(ascii: "0")...UInt8(ascii: "9") = bytes[offset] else { return nil }
        return Int64(bytes[offset] - UInt8(ascii: "0"))
    }

    /// Steps over a string; says whether it holds an escaped NUL.
    private mutating func scanText() throws(CheckpointError) -> Bool {
        var holdsNul = false
        offset += 1
        while offset < bytes.count {
            switch bytes[offset] {
            case UInt8(ascii: "\""):
                offset += 1
                return holdsNul
            case UInt8(ascii: "\\"):
                if try scanEscape() == 0 { holdsNul = true }
            case 0..<0x20:
                throw error("text without control characters", "byte \(bytes[offset])")
            case 0x20..<0x80:
                offset += 1
            default:
                offset += try scanSequence()
            }
        }
        throw error("the end of a string", "the end of the text")
    }

    /// Steps over an escape; returns its code unit where it is a numeric one.
    private mutating func scanEscape() throws(CheckpointError) -> UInt16? {
        guard offset + 1 < bytes.count else { throw error("an escape", "the end of the text") }
        guard bytes[offset + 1] == UInt8(ascii: "u") else {
            offset += 2
            return nil
        }
        let unit = try codeUnit(at: offset)
        offset += 6
        guard UTF16.isSurrogate(unit) else { return unit }
        guard UTF16.isLeadSurrogate(unit), UTF16.isTrailSurrogate(try codeUnit(at: offset)) else {
            throw error("surrogates in pairs", "a lone one")
        }
        offset += 6
        return unit
    }

    private func codeUnit(at start: Int) throws(CheckpointError) -> UInt16 {
        guard start + 6 <= bytes.count, bytes[start] == UInt8(ascii: "\\"), bytes[start + 1] == UInt8(ascii: "u") else {
            throw error("an escape of 4 hexadecimal digits", "something else")
        }
        var unit: UInt16 = 0
        for position in start + 2..<start + 6 {
            guard let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue else {
                throw error("an escape of 4 hexadecimal digits", "byte \(bytes[position])")
            }
            unit = unit << 4 | UInt16(digit)
        }
        return unit
    }

    /// Bytes of the UTF-8 sequence that begins here.
    private func scanSequence() throws(CheckpointError) -> Int {
        let lead = bytes[offset]
        let second: ClosedRange<UInt8>
        let length: Int
        switch lead {
        case 0xc2...0xdf: (length, second) = (2, 0x80...0xbf)
        case 0xe0: (length, second) = (3, 0xa0...0xbf)
        case 0xed: (length, second) = (3, 0x80...0x9f)
        case 0xe1...0xef: (length, second) = (3, 0x80...0xbf)
        case 0xf0: (length, second) = (4, 0x90...0xbf)
        case 0xf1...0xf3: (length, second) = (4, 0x80...0xbf)
        case 0xf4: (length, second) = (4, 0x80...0x8f)
        default: throw error("UTF-8", "byte \(lead)")
        }
        guard offset + length <= bytes.count, second.contains(bytes[offset + 1]),
            (2..<length).allSatisfy({ bytes[offset + $0] & 0xc0 == 0x80 })
        else { throw error("UTF-8", "a broken sequence after byte \(lead)") }
        return length
    }

    private func error(_ expected: String, _ found: String) -> CheckpointError {
        CheckpointError(.damaged, file: file, at: .offset(offset), expected: expected, found: found)
    }
}
