/// Parses the part of Oniguruma's regular expressions that published tokenizers use (formats/tokenizer.md, "Patterns").
struct PatternParser {
    private let pattern: String
    private let scalars: [Unicode.Scalar]
    private var position = 0
    private var depth = 0

    /// Groups inside groups at the most.
    private static let maximumDepth = 64
    private static let maximumRepeats = 1000
    /// Neighbours that Oniguruma folds into one character, such as a ligature.
    private static let foldingPairs: Set<String> = ["ss", "st", "ff", "fi", "fl"]

    /// The pattern's tree.
    static func parse(_ pattern: String) throws(TokenizerLoweringError) -> PatternNode {
        var parser = PatternParser(pattern: pattern, scalars: Array(pattern.unicodeScalars))
        let node = try parser.alternatives(ignoresCase: false)
        guard parser.position == parser.scalars.count else { throw parser.unsupported("an unmatched parenthesis") }
        return node
    }

    private init(pattern: String, scalars: [Unicode.Scalar]) {
        self.pattern = pattern
        self.scalars = scalars
    }

    private func unsupported(_ feature: String, at offset: Int? = nil) -> TokenizerLoweringError {
        .unsupportedPattern(feature: feature, offset: offset ?? position, pattern: pattern)
    }

    private var next: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

    private mutating func take(_ text: String) -> Bool {
        let wanted = Array(text.unicodeScalars)
        guard scalars[position...].starts(with: wanted) else { return false }
        position += wanted.count
        return true
    }

    private mutating func alternatives(ignoresCase: Bool) throws(TokenizerLoweringError) -> PatternNode {
        depth += 1
        defer { depth -= 1 }
        guard depth <= PatternParser.maximumDepth else { throw unsupported("so deep a nesting") }
        var choices = [try sequence(ignoresCase: ignoresCase)]
        while take("|") { choices.append(try sequence(ignoresCase: ignoresCase)) }
        return choices.count == 1 ? choices[0] : .alternatives(choices)
    }

    private mutating func sequence(ignoresCase: Bool) throws(TokenizerLoweringError) -> PatternNode {
        var parts: [PatternNode] = []
        var previousLiteral: Unicode.Scalar?
        while let scalar = next, scalar != "|", scalar != ")" {
            let start = position
            let (atom, literal) = try atom(ignoresCase: ignoresCase)
            if ignoresCase, let literal {
                if !literal.isASCII { throw unsupported("a character outside ASCII without regard to case", at: start) }
                if let previousLiteral {
                    let pair = String(previousLiteral) + String(literal)
                    if PatternParser.foldingPairs.contains(pair.lowercased()) {
                        throw unsupported("\"\(pair)\" without regard to case", at: start)
                    }
                }
            }
            previousLiteral = literal
            parts.append(try quantified(atom, from: start))
        }
        return parts.count == 1 ? parts[0] : parts.isEmpty ? .empty : .sequence(parts)
    }

    private mutating func quantified(_ atom: PatternNode, from start: Int) throws(TokenizerLoweringError) -> PatternNode
    {
        guard let (minimum, maximum) = try quantifier() else { return atom }
        let isInterval = scalars[position - 1] == "}"
        var isLazy = false
        switch next {
        case "?" where !isInterval:
            isLazy = true
            position += 1
        case "+" where !isInterval:
            throw unsupported("a possessive quantifier")
        case "?", "+", "*":
            throw unsupported("a quantifier of a quantifier")
        default:
            break
        }
        if let next, ["*", "+", "?"].contains(next) { throw unsupported("a quantifier of a quantifier") }
        if atom.isNullable { throw unsupported("a quantifier of what can be empty", at: start) }
        return .repeated(atom, minimum: minimum, maximum: maximum, isLazy: isLazy)
    }

    private mutating func quantifier() throws(TokenizerLoweringError) -> (minimum: Int, maximum: Int?)? {
        if take("*") { return (0, nil) }
        if take("+") { return (1, nil) }
        if take("?") { return (0, 1) }
        let start = position
        guard take("{") else { return nil }
        let low = number()
        var high = low
        if take(",") { high = number() }
        let hasComma = scalars[position - 1] == "," || high != low
        guard take("}"), low != nil || high != nil else {
            throw unsupported("a brace that is no quantifier", at: start)
        }
        let minimum = low ?? 0
        let maximum = hasComma || low == nil ? high : low
        guard minimum <= PatternParser.maximumRepeats, maximum ?? 0 <= PatternParser.maximumRepeats,
            maximum.map({ $0 >= minimum && $0 > 0 }) ?? true
        else { throw unsupported("this number of repetitions", at: start) }
        return (minimum, maximum)
    }

    private mutating func number() -> Int? {
        var value: Int?
        while let scalar = next, ("0"..."9").contains(scalar), value ?? 0 <= PatternParser.maximumRepeats {
            value = (value ?? 0) * 10 + Int(scalar.value - 0x30)
            position += 1
        }
        return value
    }

    /// One group, class or character; the character as well where it is a literal.
    private mutating func atom(
        ignoresCase: Bool
    ) throws(TokenizerLoweringError) -> (node: PatternNode, literal: Unicode.Scalar?) {
        guard let scalar = next else { throw unsupported("an end in the middle") }
        switch scalar {
        case "(":
            return (try group(ignoresCase: ignoresCase), nil)
        case "*", "+", "?":
            throw unsupported("a quantifier of nothing")
        case "{", "}", "]":
            throw unsupported("an unescaped \"\(scalar)\"")
        case "^", "$":
            throw unsupported("the anchor \"\(scalar)\"")
        default:
            let (set, literal) = try single(ignoresCase: ignoresCase)
            return (.set(set), literal)
        }
    }

    /// A pattern element that stands for exactly one character.
    private mutating func single(
        ignoresCase: Bool
    ) throws(TokenizerLoweringError) -> (set: ScalarSet, literal: Unicode.Scalar?) {
        guard let scalar = next else { throw unsupported("an end in the middle") }
        switch scalar {
        case ".":
            position += 1
            return (ScalarSet(0x0A).inverted, nil)
        case "[":
            var parser = PatternClassParser(pattern: pattern, scalars: scalars, position: position)
            let set = try parser.parse(ignoresCase: ignoresCase)
            position = parser.position
            return (set, nil)
        case "\\":
            let start = position
            var parser = PatternClassParser(pattern: pattern, scalars: scalars, position: position)
            let item = try parser.escape()
            position = parser.position
            switch item {
            case .literal(let value):
                return (ignoresCase ? PatternClassParser.folded(ScalarSet(value.value)) : ScalarSet(value.value), value)
            case .set(let set, let hasCase):
                if ignoresCase, hasCase { throw unsupported("a property without regard to case", at: start) }
                return (set, nil)
            }
        default:
            position += 1
            let set = ScalarSet(scalar.value)
            return (ignoresCase ? PatternClassParser.folded(set) : set, scalar)
        }
    }

    private mutating func group(ignoresCase: Bool) throws(TokenizerLoweringError) -> PatternNode {
        let start = position
        if take("(?=") { return try lookahead(ignoresCase: ignoresCase, isNegated: false) }
        if take("(?!") { return try lookahead(ignoresCase: ignoresCase, isNegated: true) }
        let inner: Bool
        if take("(?i:") {
            inner = true
        } else if take("(?-i:") {
            inner = false
        } else if take("(?:") {
            inner = ignoresCase
        } else if take("(?") {
            throw unsupported(next == "<" ? "looking behind or a named group" : "this kind of group", at: start)
        } else {
            _ = take("(")
            inner = ignoresCase
        }
        let node = try alternatives(ignoresCase: inner)
        guard take(")") else { throw unsupported("an unmatched parenthesis", at: start) }
        return node
    }

    private mutating func lookahead(ignoresCase: Bool, isNegated: Bool) throws(TokenizerLoweringError) -> PatternNode {
        let start = position
        guard let scalar = next, !["(", ")", "|", "^", "$", "*", "+", "?", "{", "}", "]"].contains(scalar) else {
            throw unsupported("looking ahead for other than one character", at: start)
        }
        let (set, _) = try single(ignoresCase: ignoresCase)
        guard take(")") else { throw unsupported("looking ahead for other than one character", at: start) }
        return .lookahead(set, isNegated: isNegated)
    }
}
