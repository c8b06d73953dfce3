/// A parsed pre-tokenizer pattern.
indirect enum PatternNode: Equatable {
    case empty
    /// One character of a set.
    case set(ScalarSet)
    case sequence([PatternNode])
    /// Tried in order; the first that leads to a match counts.
    case alternatives([PatternNode])
    /// As often as possible, or as seldom where lazy; `maximum` nil for no end.
    case repeated(PatternNode, minimum: Int, maximum: Int?, isLazy: Bool)
    /// The next character is in the set; where negated, it is not or the text ends.
    case lookahead(ScalarSet, isNegated: Bool)

    /// Whether the node can match the empty text.
    var isNullable: Bool {
        switch self {
        case .empty, .lookahead: true
        case .set: false
        case .sequence(let parts): parts.allSatisfy(\.isNullable)
        case .alternatives(let choices): choices.contains(where: \.isNullable)
        case .repeated(let body, let minimum, _, _): minimum == 0 || body.isNullable
        }
    }

    /// A node that matches exactly this text.
    init(literal text: String) {
        self = .sequence(text.unicodeScalars.map { .set(ScalarSet($0.value)) })
    }
}
