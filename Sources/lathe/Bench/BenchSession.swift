import Runtime

/// What the tests feed a session. Tokens follow a fixed pattern over the vocabulary: speed does not depend on them.
extension Session {
    /// A chain of `count` rows behind what is committed.
    func patternRows(_ count: Int) -> [Row] {
        let vocabulary = engine.plan.program.vocabularySize
        return Row.chain((0..<count).map { UInt32((committed + $0) * 7919 % vocabulary) }, after: committed)
    }

    /// The rows of such a chain as a binary tree: two behind each, row by row.
    func patternTree(_ count: Int) -> [Row] {
        var rows = patternRows(count)
        for index in rows.indices.dropFirst() {
            let parent = (index - 1) / 2
            rows[index] = Row(input: rows[index].input, position: rows[parent].position + 1, parent: parent)
        }
        return rows
    }

    /// Commits a prompt of `count` tokens in the largest steps, with the logits of its last token.
    func appendPrompt(_ count: Int) throws {
        let chunk = engine.plan.program.maximumRows
        for start in stride(from: 0, to: count, by: chunk) {
            let rows = min(chunk, count - start)
            try append(rows, wantsLogits: start + rows == count)
        }
    }

    /// Has exactly a prompt of `depth` tokens committed: what is behind it is forgotten, or, where a window has left too much
    /// of it behind, all of it is evaluated anew.
    func moveToDepth(_ depth: Int) throws {
        if committed >= depth, (try? truncate(to: depth)) != nil { return }
        reset()
        try appendPrompt(depth)
    }

    /// Commits `count` rows in one step; with `wantsLogits` the last row's logits are computed.
    func append(_ count: Int, wantsLogits: Bool) throws {
        try evaluate(patternRows(count))
        if wantsLogits { _ = try logits(of: [count - 1]) }
        try commit(Array(0..<count))
    }
}
