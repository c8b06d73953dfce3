/// A pattern as a deterministic automaton that finds the match that backtracking would find first.
///
/// A state is the list of a backtracking matcher's threads in the order in which it would try them, before they are
/// followed up to their next character. A transition follows them for the symbol at hand, which decides their
/// look-aheads too; where a thread arrives at the end of the pattern, a match ends before the symbol, and threads behind
/// it count no more.
struct PatternAutomaton: Equatable {
    /// Class of every scalar value.
    let classes: [UInt8]
    let classCount: Int
    let stateCount: Int
    /// Rows of `classCount` + 1 cells, the last for the end of the text: next state, and whether a match ends before the
    /// symbol. State 0 is dead, state 1 the beginning.
    let transitions: [(next: Int, isMatch: Bool)]

    /// States of one pattern at the most.
    static let maximumStates = 4096

    static func == (left: PatternAutomaton, right: PatternAutomaton) -> Bool {
        left.classes == right.classes && left.transitions.elementsEqual(right.transitions, by: ==)
    }

    init(_ node: PatternNode, pattern: String) throws(TokenizerLoweringError) {
        var threads = try PatternThreads(node, pattern: pattern)
        let (classes, representatives) = try PatternAutomaton.partition(threads.sets, pattern: pattern)
        self.classes = classes
        classCount = representatives.count

        var states: [[Int]] = [[], [threads.start]]
        var numbers: [[Int]: Int] = [[]: 0, [threads.start]: 1]
        var transitions = [(next: Int, isMatch: Bool)](repeating: (0, false), count: classCount + 1)
        var index = 1
        while index < states.count {
            for symbol in 0...classCount {
                let (following, isMatch) = try threads.step(
                    states[index], symbol: symbol < classCount ? representatives[symbol] : nil)
                if index == 1, isMatch {
                    throw .unsupportedPattern(feature: "matching the empty text", offset: 0, pattern: pattern)
                }
                let number = numbers[following] ?? states.count
                if number == states.count {
                    guard number < PatternAutomaton.maximumStates else {
                        throw .unsupportedPattern(
                            feature: "more than \(PatternAutomaton.maximumStates) states", offset: 0, pattern: pattern)
                    }
                    numbers[following] = number
                    states.append(following)
                }
                transitions.append((number, isMatch))
            }
            index += 1
        }
        stateCount = states.count
        self.transitions = transitions
    }

    /// Numbers the classes of scalars that no set tells apart; gives for each class the sets that it is in.
    private static func partition(
        _ sets: [ScalarSet], pattern: String
    ) throws(TokenizerLoweringError) -> (classes: [UInt8], memberships: [[Bool]]) {
        var bounds: Set<UInt32> = [0]
        for set in sets {
            for range in set.ranges { bounds.formUnion([range.lowerBound, range.upperBound]) }
        }
        bounds.remove(ScalarSet.limit)
        let starts = bounds.sorted()
        var classes: [UInt8] = []
        classes.reserveCapacity(Int(ScalarSet.limit))
        var memberships: [[Bool]] = []
        var numbers: [[Bool]: Int] = [:]
        for (index, start) in starts.enumerated() {
            let membership = sets.map { $0.contains(start) }
            let number = numbers[membership] ?? memberships.count
            if number == memberships.count {
                guard number < 255 else {
                    throw .unsupportedPattern(feature: "telling so many characters apart", offset: 0, pattern: pattern)
                }
                numbers[membership] = number
                memberships.append(membership)
            }
            let end = index + 1 < starts.count ? starts[index + 1] : ScalarSet.limit
            classes += Array(repeating: UInt8(number), count: Int(end - start))
        }
        return (classes, memberships)
    }
}
