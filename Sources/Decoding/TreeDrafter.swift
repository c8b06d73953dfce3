import Runtime

/// Guesses a tree of tokens from what was seen before: continuations of the longest run that recurs (prompt lookup), what the
/// model named as likely behind the same tokens (Token Recycling), what it named behind masks in the step before (SPACE). The
/// tree grows where a guess is most likely to be right, by how often guesses of its kind were of late, as long as another row
/// brings more than it costs; and so do the masks for the next step.
public struct TreeDrafter: Drafter {
    private var index = RecurrenceIndex()
    /// Contexts of two tokens, then of one.
    private var tables: [SuccessorTable]
    private let looksUp: Bool
    private var masks: MaskSource?
    /// What was named behind masks: of what may follow the last token, then of what may follow that.
    private var foreseen: [[Successor]] = []
    private var rates: GuessRates
    private var costs: StepCosts?
    /// The guesses of the last draft, one a node.
    private var guesses: [Guess] = []
    private var hasDrafted = false
    /// Whether there were masks in the last step.
    private var asksMasks = false

    /// Guesses less likely than this are not looked at.
    private static let leastProbability: Float = 0.01
    /// Masks of a group.
    static let mostMasks = 5
    /// Masks that are added in the hope that they pay together.
    private static let patience = 3

    /// Looks up runs, recycles likely tokens, asks masks, or some of these. Steps have `maximumRows` rows at the most; unless
    /// it weighs costs, it guesses as much as it may.
    public init(
        looksUp: Bool = false, recycles: Bool = false, masks: MaskSource? = nil, weighsCosts: Bool = true,
        maximumRows: Int
    ) {
        self.looksUp = looksUp
        self.masks = masks
        rates = GuessRates(hasTrainedMasks: masks?.isTrained ?? false)
        tables =
            recycles
            ? [SuccessorTable(contextLength: 2, bits: 14), SuccessorTable(contextLength: 1, bits: 14)] : []
        costs = weighsCosts ? StepCosts(maximumRows: maximumRows) : nil
    }

    public var candidateCount: Int { tables.isEmpty && masks == nil ? 0 : SuccessorTable.width }

    public mutating func append(_ token: UInt32) {
        index.append(token)
        if case .mean(var embedding) = masks {
            // Kept once, so that it is changed in place.
            masks = nil
            embedding.append(token, isPrompt: !hasDrafted)
            masks = .mean(embedding)
        }
    }

    public mutating func draft(tokens: Int, rows: Int) -> Draft {
        hasDrafted = true
        guesses = []
        var tree = TokenTree()
        var open = successors(of: tree, behind: nil)
        while tree.count < tokens {
            guard let best = open.indices.max(by: { open[$0].probability < open[$1].probability }) else { break }
            let guess = open.remove(at: best)
            let node = tree.add(guess.token, after: guess.parent)
            guesses.append(guess)
            open += successors(of: tree, behind: node)
        }
        let count = worthwhileGuesses()
        guesses.removeLast(guesses.count - count)
        var draft = Draft(tree.prefix(count))
        addMasks(to: &draft, rows: rows - count)
        return draft
    }

    public mutating func learn(from step: VerifiedStep) {
        let tree = step.draft.tree
        let right = Set(step.accepted)
        for (node, guess) in guesses.enumerated() where guess.parent.map({ right.contains($0) }) ?? true {
            for kind in guess.kinds { rates[kind].record(isRight: right.contains(node)) }
        }
        recordMasks(right: right, asked: step.draft.masks)
        let maskCount = step.draft.maskCount
        costs?.record(rows: tree.count + maskCount + 1, masks: maskCount > 0, seconds: step.seconds)
        asksMasks = maskCount > 0
        foreseen = step.foreseen.map { Successor.shares(of: $0) }
        guard !tables.isEmpty else { return }
        // What lies on the path is stored last: it was asked behind what in fact came before.
        let others = tree.tokens.indices.filter { !right.contains($0) }
        for node in others.map(Optional.some) + [nil] + step.accepted.map(Optional.some) {
            let row = node.map { $0 + 1 } ?? 0
            guard row < step.candidates.count else { continue }
            for table in tables.indices {
                guard let context = context(tables[table].contextLength, behind: tree.path(to: node)) else { continue }
                tables[table].store(Successor.shares(of: step.candidates[row]), behind: context)
            }
        }
    }

    /// Guesses of what follows a node of a draft, or the sequence.
    private func successors(of tree: TokenTree, behind node: Int?) -> [Guess] {
        let path = tree.path(to: node)
        let before = node.map { guesses[$0].probability } ?? 1
        var found: [Guess] = []
        func add(_ token: UInt32, _ kind: GuessKind) {
            let probability = before * rates[kind].estimate
            if let known = found.firstIndex(where: { $0.token == token }) {
                found[known].kinds.append(kind)
                found[known].probability = max(found[known].probability, probability)
            } else {
                found.append(Guess(token: token, parent: node, probability: probability, kinds: [kind]))
            }
        }
        if looksUp, let match = index.match(behind: path) { add(match.token, .recurrence(length: match.length)) }
        for table in tables {
            guard let context = context(table.contextLength, behind: path) else { continue }
            let successors = table.successors(of: context)
            for successor in successors {
                add(successor.token, .successor(contextLength: table.contextLength, share: successor.share))
            }
            // One token says nothing about what two have said.
            if !successors.isEmpty { break }
        }
        if path.count < foreseen.count {
            for successor in foreseen[path.count] {
                add(successor.token, .foreseen(place: path.count, share: successor.share))
            }
        }
        return found.filter { $0.probability >= TreeDrafter.leastProbability }
    }

    /// The last tokens of the sequence and a path behind it, as one number; nil where there are fewer.
    private func context(_ length: Int, behind path: [UInt32]) -> UInt64? {
        let last = index.tokens.suffix(length) + path.suffix(length)
        guard last.count >= length else { return nil }
        return last.suffix(length).reduce(0) { $0 << 32 | UInt64($1) }
    }

    /// How many of the guesses give the most tokens for the time of a step.
    private func worthwhileGuesses() -> Int {
        guard let costs else { return guesses.count }
        var expected = 1.0
        var (best, count) = (expected / costs.cost(rows: 1, masks: asksMasks), 0)
        for (node, guess) in guesses.enumerated() {
            expected += Double(guess.probability)
            let rate = expected / costs.cost(rows: node + 2, masks: asksMasks)
            if rate > best { (best, count) = (rate, node + 1) }
        }
        return count
    }
}

// Masks: what they bring comes a step later, and only where the sequence ends at the node that they stand behind.
extension TreeDrafter {
    /// Adds masks behind the nodes where the sequence is likely to end, as long as they bring more than they cost.
    private func addMasks(to draft: inout Draft, rows: Int) {
        guard let masks else { return }
        let inputs: [Row.Input]
        switch masks {
        case .token(let token): inputs = Array(repeating: .token(token), count: TreeDrafter.mostMasks)
        case .trained(let places): inputs = (0..<min(places, TreeDrafter.mostMasks)).map { .mask($0) }
        case .mean(let embedding):
            guard !embedding.values.isEmpty else { return }
            draft.embeddings = [embedding.values]
            inputs = Array(repeating: .embedding(0), count: TreeDrafter.mostMasks)
        }
        // That the sequence ends at a node: behind the last token at first.
        var ends = [Float(1)] + guesses.map { $0.probability }
        for guess in guesses { ends[guess.parent.map { $0 + 1 } ?? 0] -= guess.probability }
        var lengths = ends.map { _ in 0 }
        var expected = Double(guesses.reduce(1) { $0 + $1.probability })
        let used = guesses.count + 1
        // Masks are added where they bring most, and as many kept as give the most tokens for the time of a step. What the first
        // one costs, those that follow it share; but what many rows take is known of those numbers alone that were tried.
        var groups: [Int] = []
        var (bestRate, kept) = (costs.map { expected / $0.cost(rows: used) } ?? 0, 0)
        while groups.count < rows {
            var best: (group: Int, gain: Double)?
            for group in ends.indices where lengths[group] < inputs.count {
                let gain = Double(max(0, ends[group]) * rates.maskGains[lengths[group]].estimate)
                if gain > best?.gain ?? 0 { best = (group, gain) }
            }
            guard let best else { break }
            lengths[best.group] += 1
            groups.append(best.group)
            expected += best.gain
            let rate = costs.map { expected / $0.cost(rows: used + groups.count, masks: true) } ?? .infinity
            if rate > bestRate || costs == nil {
                (bestRate, kept) = (rate, groups.count)
            } else if groups.count >= kept + TreeDrafter.patience {
                break
            }
        }
        for group in groups[kept...] { lengths[group] -= 1 }
        for (group, length) in lengths.enumerated() where length > 0 {
            draft.masks.append(
                MaskGroup(node: group == 0 ? nil : group - 1, inputs: Array(inputs.prefix(length))))
        }
    }

    /// Counts, for each mask that was asked before, whether a token was accepted in its place that nothing else had guessed;
    /// `asked` were in this step.
    private mutating func recordMasks(right: Set<Int>, asked: [MaskGroup]) {
        var longest = 0
        for group in asked { longest = max(longest, group.inputs.count) }
        for place in longest..<TreeDrafter.mostMasks { rates.maskGains[place].fade() }
        for place in foreseen.indices where place < TreeDrafter.mostMasks {
            let gained = right.contains { node in
                let kinds = guesses[node].kinds
                return kinds.allSatisfy { if case .foreseen(place, _) = $0 { true } else { false } }
            }
            rates.maskGains[place].record(isRight: gained)
        }
    }
}

/// A token that may follow, and why.
private struct Guess {
    let token: UInt32
    /// The node that it follows.
    let parent: Int?
    /// That the sequence goes through it.
    var probability: Float
    var kinds: [GuessKind]
}
