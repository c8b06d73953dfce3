import Plans
import Runtime

/// How long a plan's greedy texts stay equal to a reference plan's, prompt by prompt.
///
/// Texts go on behind an end-of-generation token, so that every prompt has the same limit.
public struct GreedyDivergence: Sendable {
    /// Tokens that each prompt is continued by, one or more.
    public let limit: Int
    /// For every prompt the number of tokens at the beginning of both texts that are equal, 0...limit.
    public private(set) var prefixes: [Int] = []

    public init(limit: Int) {
        self.limit = max(1, limit)
    }

    /// The mean number of equal tokens; NaN before any prompt.
    public var mean: Double {
        var sum = 0
        for prefix in prefixes { sum += prefix }
        return prefixes.isEmpty ? .nan : Double(sum) / Double(prefixes.count)
    }

    /// The median number of equal tokens, between the two in the middle where the number of prompts is even; NaN before
    /// any prompt.
    public var median: Double {
        guard !prefixes.isEmpty else { return .nan }
        let ordered = prefixes.sorted(by: <)
        let middle = ordered.count / 2
        return Double(ordered[middle] + ordered[(ordered.count - 1) / 2]) / 2
    }

    /// Prompts whose texts are equal up to the limit.
    public var neverDiverged: Int {
        var count = 0
        for prefix in prefixes where prefix == limit { count += 1 }
        return count
    }

    /// Continues one prompt with both plans, which must have the same vocabulary. Both sessions are emptied first; each
    /// must hold `prompt.count + limit - 1` positions, or this throws `contextFull`. An empty prompt throws `stepSize`.
    ///
    /// Up to the first difference the reference's text is the plan's own, and a row's result does not depend on the rows
    /// beside it. So the plan need not generate: it reads the reference's text as it reads a prompt.
    public mutating func score(_ prompt: [UInt32], session: Session, reference: Session) throws(RuntimeError) {
        let text = try continuation(of: prompt, by: reference)
        add(prefix: try agreement(of: session, with: text, after: prompt))
    }

    mutating func add(prefix: Int) { prefixes.append(prefix) }

    private func continuation(of prompt: [UInt32], by session: Session) throws(RuntimeError) -> [UInt32] {
        var text: [UInt32] = []
        var pending = prompt[...]
        session.reset()
        while text.count < limit {
            let rows = Row.chain(pending.prefix(session.engine.plan.program.maximumRows), after: session.committed)
            try session.evaluate(rows)
            pending = pending.dropFirst(rows.count)
            if pending.isEmpty {
                let token = try session.mostLikely(1, of: [rows.count - 1]).first?.first?.token ?? 0
                text.append(token)
                pending = [token]
            }
            try session.commit(Array(rows.indices))
        }
        return text
    }

    /// The number of tokens at the beginning of `text` that the plan finds most likely too.
    private func agreement(
        of session: Session, with text: [UInt32], after prompt: [UInt32]
    ) throws(RuntimeError) -> Int {
        let program = session.engine.plan.program
        // Nothing is asked about what follows the last token.
        let tokens = prompt + text.dropLast()
        session.reset()
        var start = 0
        while start < tokens.count {
            let rows = Row.chain(tokens[start..<min(start + program.maximumRows, tokens.count)], after: start)
            try session.evaluate(rows)
            var row = max(0, prompt.count - 1 - start)
            while row < rows.count {
                let asked = Array(row..<min(row + program.maximumOutputs, rows.count))
                for (index, candidates) in try session.mostLikely(1, of: asked).enumerated() {
                    let place = start + asked[index] + 1 - prompt.count
                    if candidates.first?.token != text[place] { return place }
                }
                row += asked.count
            }
            try session.commit(Array(rows.indices))
            start += rows.count
        }
        return text.count
    }
}
