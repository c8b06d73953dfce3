import CSystem
import Plans
import Runtime
import Tokenization

/// Continues a prompt. Each step evaluates the last token and what a drafter guesses behind it; the guesses that are what
/// would have been chosen anyway are kept. Rows have the same bits beside others as alone, and each token is chosen from its
/// row's logits as without guesses, from the same place of the random stream: the text does not depend on the drafter.
public struct Generation<Guesses: Drafter> {
    public let session: Session
    private var sampler: Sampler
    private var drafter: Guesses
    /// Of all logits that tokens were chosen from; nil unless it was asked for.
    public private(set) var digest: LogitsDigest?
    /// Of the steps behind prompts; empty where the drafter never guesses.
    public private(set) var statistics = DraftStatistics()
    /// Chosen, but not yet evaluated.
    private var pending: UInt32?

    public init(session: Session, sampling: SamplingOptions, drafter: Guesses, digestsLogits: Bool = false) {
        self.session = session
        self.drafter = drafter
        digest = digestsLogits ? LogitsDigest() : nil
        sampler = Sampler(sampling)
    }

    /// Evaluates a prompt after what the session holds and chooses the first token. An empty prompt changes nothing.
    public mutating func prefill(_ tokens: [UInt32]) throws(RuntimeError) {
        guard session.committed + tokens.count <= session.capacity else {
            throw .contextFull(capacity: session.capacity)
        }
        let chunk = session.engine.plan.program.maximumRows
        var start = 0
        while start < tokens.count {
            let end = min(start + chunk, tokens.count)
            try session.evaluate(Row.chain(tokens[start..<end], after: session.committed))
            if end == tokens.count {
                let row = end - start - 1
                pending = choose(from: try predictions(of: [row]), row: 0)
            }
            try session.commit(Array(0..<end - start))
            start = end
        }
        for token in tokens { drafter.append(token) }
    }

    /// Produces up to `limit` tokens (no limit when nil), giving each to `emit`, which may end the generation by
    /// returning false. An end-of-generation token is not emitted, and ends it unless `ignoresEnd`.
    public mutating func generate(
        limit: Int?, tokenizer: Tokenizer, ignoresEnd: Bool = false, emit: (UInt32) -> Bool
    ) throws(RuntimeError) -> Finish {
        var produced = 0
        var finish: Finish? = limit == 0 ? .length : nil
        // Whether the generation goes on behind a token that was chosen.
        func take(_ token: UInt32) -> Bool {
            if !ignoresEnd, tokenizer.isEndOfGeneration(token) {
                finish = .endOfGeneration(token)
                return false
            }
            produced += 1
            if !emit(token) || produced == limit { finish = .length }
            return finish == nil
        }
        while finish == nil, let token = pending, take(token) {
            guard session.committed < session.capacity else { return .contextFull }
            try advance(behind: token, most: limit.map { $0 - produced } ?? Int.max, take)
        }
        return finish ?? .length
    }

    /// Evaluates a token and a draft behind it, keeps what of the draft is chosen, as long as `take` goes on behind it, and
    /// leaves the token that is chosen last pending: at most `most` tokens are chosen.
    private mutating func advance(behind token: UInt32, most: Int, _ take: (UInt32) -> Bool) throws(RuntimeError) {
        guard Guesses.guesses else {
            try session.evaluate(Row.chain([token], after: session.committed))
            pending = choose(from: try predictions(of: [0]), row: 0)
            return try session.commit([0])
        }
        let program = session.engine.plan.program
        let begin = lathe_seconds()
        drafter.append(token)
        let rows = min(program.maximumRows, session.capacity - session.committed)
        let draft = drafter.draft(tokens: min(program.maximumOutputs, rows, most) - 1, rows: rows - 1)
        let drafted = lathe_seconds()
        for (index, embedding) in draft.embeddings.enumerated() { try session.setEmbedding(index, to: embedding) }
        try session.evaluate(draft.rows(after: token, at: session.committed))
        // The head reads all of its weights whenever it runs: masks are asked with the tokens where there is room for them.
        let tokenRows = draft.tree.count + 1
        let asksMasks = tokenRows + draft.maskCount <= program.maximumOutputs
        let predictions = try predictions(of: Array(0..<tokenRows + (asksMasks ? draft.maskCount : 0)))
        let accepted = follow(draft.tree, predictions, take)
        let candidates = predictions.candidates(count: drafter.candidateCount)
        let masks = Array(draft.maskRows(behind: accepted.last).prefix(program.maximumOutputs))
        let foreseen =
            asksMasks || masks.isEmpty
            ? masks.map { candidates[$0] } : try session.mostLikely(max(1, drafter.candidateCount), of: masks)
        try session.commit([0] + accepted.map { $0 + 1 })
        let evaluated = lathe_seconds()
        drafter.learn(
            from: VerifiedStep(
                draft: draft, accepted: accepted, candidates: Array(candidates.prefix(tokenRows)), foreseen: foreseen,
                seconds: evaluated - drafted))
        for node in accepted { drafter.append(draft.tree.tokens[node]) }
        statistics.add(draft, accepted: accepted.count)
        statistics.verifySeconds += evaluated - drafted
        statistics.draftSeconds += drafted - begin + (lathe_seconds() - evaluated)
    }

    /// Chooses token after token, as long as a tree has guessed them and `take` goes on behind them; the one that is chosen
    /// last is left pending. Returns the nodes of those that the tree had, each behind the one before it.
    private mutating func follow(
        _ tree: TokenTree, _ predictions: Predictions, _ take: (UInt32) -> Bool
    ) -> [Int] {
        var accepted: [Int] = []
        pending = choose(from: predictions, row: 0)
        while let token = pending, let node = tree.node(of: token, after: accepted.last), take(token) {
            accepted.append(node)
            pending = choose(from: predictions, row: node + 1)
        }
        return accepted
    }

    /// What the head says of rows of the last step; valid until the next one.
    private func predictions(of rows: [Int]) throws(RuntimeError) -> Predictions {
        if digest == nil, let count = sampler.candidateCount {
            return .candidates(try session.mostLikely(max(count, drafter.candidateCount), of: rows))
        }
        return .logits(try session.logits(of: rows))
    }

    /// The token that follows a row.
    private mutating func choose(from predictions: Predictions, row: Int) -> UInt32? {
        switch predictions {
        case .candidates(let candidates):
            return sampler.choose(from: Array(candidates[row].prefix(sampler.candidateCount ?? Int.max)))
        case .logits(let logits):
            guard let logits = logits.row(row) else { return nil }
            digest?.append(logits)
            return sampler.sample(logits)
        }
    }
}

extension Generation where Guesses == NoDrafter {
    /// One token a step.
    public init(session: Session, sampling: SamplingOptions, digestsLogits: Bool = false) {
        self.init(session: session, sampling: sampling, drafter: NoDrafter(), digestsLogits: digestsLogits)
    }
}

/// Why a generation ended.
public enum Finish: Sendable, Equatable {
    /// As many tokens as were asked for.
    case length
    /// The model produced this end-of-generation token.
    case endOfGeneration(UInt32)
    /// No further position fits into the session.
    case contextFull
}

/// What tokens are chosen from, row by row: the most likely ones in order, or all logits.
private enum Predictions {
    case candidates([[Candidate]])
    case logits(Logits)

    /// The `count` most likely tokens of each row; none where `count` is 0.
    func candidates(count: Int) -> [[Candidate]] {
        switch self {
        case .candidates(let candidates): return candidates.map { Array($0.prefix(count)) }
        case .logits(let logits):
            guard count > 0 else { return Array(repeating: [], count: logits.rowCount) }
            return (0..<logits.rowCount).map { row in
                logits.row(row).map { Sampler.mostLikely($0, count: count) } ?? []
            }
        }
    }
}
