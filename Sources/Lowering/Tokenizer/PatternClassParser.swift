/// Parses bracketed classes and escapes of a pattern.
struct PatternClassParser {
    /// What an escape stands for.
    enum Item {
        case literal(Unicode.Scalar)
        /// `hasCase` where letters are in the set, which folding would have to widen.
        case set(ScalarSet, hasCase: Bool)
    }

    private let pattern: String
    private let scalars: [Unicode.Scalar]
    private(set) var position: Int

    init(pattern: String, scalars: [Unicode.Scalar], position: Int) {
        self.pattern = pattern
        self.scalars = scalars
        self.position = position
    }

    private func unsupported(_ feature: String, at offset: Int? = nil) -> TokenizerLoweringError {
        .unsupportedPattern(feature: feature, offset: offset ?? position, pattern: pattern)
    }

    private var next: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    /// Parses a class from its opening bracket on.
    mutating func parse(ignoresCase: Bool) throws(TokenizerLoweringError) -> ScalarSet {
        let start = position
        position += 1
        var isNegated = false
        if next == "^" {
            isNegated = true
            position += 1
        }
        if next == "]" { throw unsupported("a class that begins with \"]\"") }
        var set = ScalarSet()
        while let scalar = next, scalar != "]" {
            let itemStart = position
            let item = try member()
            switch item {
            case .set(let members, let hasCase):
                if ignoresCase, hasCase { throw unsupported("a property without regard to case", at: itemStart) }
                set = set.union(members)
                if next == "-", position + 1 < scalars.count, scalars[position + 1] != "]" {
                    throw unsupported("a range that begins with a class")
                }
            case .literal(let low):
                let range = try range(from: low, start: itemStart)
                if ignoresCase, range.upperBound >= 0x80 {
                    throw unsupported("a character outside ASCII without regard to case", at: itemStart)
                }
                set = set.union(ScalarSet(range))
            }
        }
        guard next == "]" else { throw unsupported("a class without an end", at: start) }
        position += 1
        if ignoresCase { set = PatternClassParser.folded(set) }
        return isNegated ? set.inverted : set
    }

    private mutating func range(
        from low: Unicode.Scalar, start: Int
    ) throws(TokenizerLoweringError) -> ClosedRange<UInt32> {
        guard next == "-", position + 1 < scalars.count, scalars[position + 1] != "]" else {
            return low.value...low.value
        }
        position += 1
        guard case .literal(let high) = try member(), low.value <= high.value else {
            throw unsupported("a range with such an end", at: start)
        }
        return low.value...high.value
    }

    private mutating func member() throws(TokenizerLoweringError) -> Item {
        guard let scalar = next else { throw unsupported("a class without an end") }
        switch scalar {
        case "\\":
            return try escape(isInClass: true)
        case "[":
            throw unsupported("a class inside a class")
        case "&" where position + 1 < scalars.count && scalars[position + 1] == "&":
            throw unsupported("the intersection of classes")
        default:
            position += 1
            return .literal(scalar)
        }
    }

    /// Parses an escape from its backslash on.
    mutating func escape(isInClass: Bool = false) throws(TokenizerLoweringError) -> Item {
        let start = position
        position += 1
        guard let scalar = next else { throw unsupported("an escape of nothing", at: start) }
        position += 1
        switch scalar {
        case "s": return .set(UnicodeProperties.whitespace, hasCase: false)
        case "S": return .set(UnicodeProperties.whitespace.inverted, hasCase: true)
        case "d", "D":
            guard let digits = UnicodeProperties.category("Nd") else { break }
            return scalar == "d" ? .set(digits, hasCase: false) : .set(digits.inverted, hasCase: true)
        case "w", "W":
            // Oniguruma counts a few digits of Latin-1 as word characters outside of brackets alone.
            let word = isInClass ? UnicodeProperties.wordCharacters : UnicodeProperties.patternWord
            return .set(scalar == "w" ? word : word.inverted, hasCase: true)
        case "p", "P": return .set(try property(isNegated: scalar == "P", start: start), hasCase: true)
        case "n": return .literal("\n")
        case "r": return .literal("\r")
        case "t": return .literal("\t")
        case "f": return .literal("\u{0C}")
        case "v": return .literal("\u{0B}")
        case "u": return .literal(try hexadecimal(digits: 4...4, start: start))
        case "x":
            if next == "{" {
                position += 1
                let value = try hexadecimal(digits: 1...6, start: start)
                guard next == "}" else { break }
                position += 1
                return .literal(value)
            }
            let value = try hexadecimal(digits: 2...2, start: start)
            guard value.isASCII else { break }
            return .literal(value)
        default:
            let isLetterOrDigit =
                ("0"..."9").contains(scalar) || ("A"..."Z").contains(scalar) || ("a"..."z").contains(scalar)
            if scalar.isASCII, !isLetterOrDigit { return .literal(scalar) }
        }
        throw unsupported("the escape \"\\\(scalar)\"", at: start)
    }

    private mutating func property(isNegated: Bool, start: Int) throws(TokenizerLoweringError) -> ScalarSet {
        guard next == "{", let end = scalars[position...].firstIndex(of: "}") else {
            throw unsupported("a property without braces", at: start)
        }
        var name = String(String.UnicodeScalarView(scalars[position + 1..<end]))
        position = end + 1
        var isNegated = isNegated
        if name.hasPrefix("^") {
            name.removeFirst()
            isNegated.toggle()
        }
        guard let set = UnicodeProperties.category(name) else {
            throw unsupported("the property \"\(name)\"", at: start)
        }
        return isNegated ? set.inverted : set
    }

    private mutating func hexadecimal(
        digits: ClosedRange<Int>, start: Int
    ) throws(TokenizerLoweringError) -> Unicode.Scalar {
        var text = ""
        while let scalar = next, scalar.properties.isASCIIHexDigit, text.unicodeScalars.count < digits.upperBound {
            text.unicodeScalars.append(scalar)
            position += 1
        }
        guard text.unicodeScalars.count >= digits.lowerBound, let value = UInt32(text, radix: 16),
            let scalar = Unicode.Scalar(value)
        else { throw unsupported("this character number", at: start) }
        return scalar
    }

    /// ASCII letters in both cases, and the two characters beyond ASCII that fold to one of them.
    static func folded(_ set: ScalarSet) -> ScalarSet {
        var result = set
        for letter in UInt32(0x61)...0x7A where set.contains(letter) || set.contains(letter - 0x20) {
            result = result.union(ScalarSet(letter)).union(ScalarSet(letter - 0x20))
            if letter == 0x73 { result = result.union(ScalarSet(0x17F)) }
            if letter == 0x6B { result = result.union(ScalarSet(0x212A)) }
        }
        return result
    }
}
