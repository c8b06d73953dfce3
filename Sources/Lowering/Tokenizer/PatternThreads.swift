/// The steps that a backtracking matcher's threads take through a pattern.
struct PatternThreads {
    private enum Step {
        case consume(set: Int, next: Int)
        /// Both, the first one first.
        case split(first: Int, second: Int)
        case lookahead(set: Int, isNegated: Bool, next: Int)
        case match
    }

    /// Steps of one pattern at the most.
    private static let maximumSteps = 1 << 14

    private(set) var sets: [ScalarSet] = []
    private(set) var start = 0
    private var steps: [Step] = [.match]
    private var setNumbers: [ScalarSet: Int] = [:]
    private let pattern: String
    /// The round in which each step was last followed.
    private var visits: [Int] = []
    private var round = 0
    private var work = 0

    /// Steps that may be followed while the automaton is made: far more than any published pattern needs.
    private static let maximumWork = 20_000_000

    private var tooLarge: TokenizerLoweringError {
        .unsupportedPattern(feature: "a pattern of this size", offset: 0, pattern: pattern)
    }

    init(_ node: PatternNode, pattern: String) throws(TokenizerLoweringError) {
        self.pattern = pattern
        start = try add(node, next: 0)
    }

    /// Follows threads over one symbol, given as the sets that it is in; nil for the end of the text.
    mutating func step(
        _ threads: [Int], symbol: [Bool]?
    ) throws(TokenizerLoweringError) -> (threads: [Int], isMatch: Bool) {
        var result: [Int] = []
        var isKept = Set<Int>()
        round += 1
        if visits.count < steps.count { visits = Array(repeating: 0, count: steps.count) }
        for thread in threads {
            var stack = [thread]
            while let index = stack.popLast() {
                if visits[index] == round { continue }
                visits[index] = round
                work += 1
                guard work <= PatternThreads.maximumWork else { throw tooLarge }
                switch steps[index] {
                case .match:
                    return (result, true)
                case .split(let first, let second):
                    stack.append(second)
                    stack.append(first)
                case .lookahead(let set, let isNegated, let next):
                    if (symbol?[set] ?? false) != isNegated { stack.append(next) }
                case .consume(let set, let next):
                    if symbol?[set] ?? false, isKept.insert(next).inserted { result.append(next) }
                }
            }
        }
        return (result, false)
    }

    private mutating func append(_ step: Step) throws(TokenizerLoweringError) -> Int {
        guard steps.count < PatternThreads.maximumSteps else { throw tooLarge }
        steps.append(step)
        return steps.count - 1
    }

    private mutating func number(_ set: ScalarSet) -> Int {
        if let number = setNumbers[set] { return number }
        setNumbers[set] = sets.count
        sets.append(set)
        return sets.count - 1
    }

    /// Adds the steps of a node that go on at `next`, and gives the first.
    private mutating func add(_ node: PatternNode, next: Int) throws(TokenizerLoweringError) -> Int {
        switch node {
        case .empty:
            return next
        case .set(let set):
            return try append(.consume(set: number(set), next: next))
        case .lookahead(let set, let isNegated):
            return try append(.lookahead(set: number(set), isNegated: isNegated, next: next))
        case .sequence(let parts):
            var following = next
            for part in parts.reversed() { following = try add(part, next: following) }
            return following
        case .alternatives(let choices):
            var starts: [Int] = []
            for choice in choices { starts.append(try add(choice, next: next)) }
            guard var result = starts.popLast() else { return next }
            while let choice = starts.popLast() { result = try append(.split(first: choice, second: result)) }
            return result
        case .repeated(let body, let minimum, let maximum, let isLazy):
            return try addRepeated(body, minimum: minimum, maximum: maximum, isLazy: isLazy, next: next)
        }
    }

    private mutating func addRepeated(
        _ body: PatternNode, minimum: Int, maximum: Int?, isLazy: Bool, next: Int
    ) throws(TokenizerLoweringError) -> Int {
        func choice(_ more: Int) -> Step {
            isLazy ? .split(first: next, second: more) : .split(first: more, second: next)
        }
        var following = next
        if let maximum {
            for _ in minimum..<maximum { following = try append(choice(try add(body, next: following))) }
        } else {
            let loop = try append(.match)
            steps[loop] = choice(try add(body, next: loop))
            following = loop
        }
        for _ in 0..<minimum { following = try add(body, next: following) }
        return following
    }
}
