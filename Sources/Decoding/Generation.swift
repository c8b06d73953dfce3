import Plans
import Runtime
import Tokenization

/// Continues a prompt token by token.
public struct Generation {
    /// Why a generation ended.
    public enum Finish: Sendable, Equatable {
        /// As many tokens as were asked for.
        case length
        /// The model produced this end-of-generation token.
        case endOfGeneration(UInt32)
        /// No further position fits into the session.
        case contextFull
    }

    public let session: Session
    private var sampler: Sampler
    /// Of all logits that tokens were chosen from; nil unless it was asked for.
    public private(set) var digest: LogitsDigest?
    /// Chosen, but not yet evaluated.
    private var pending: UInt32?

    public init(session: Session, sampling: SamplingOptions, digestsLogits: Bool = false) {
        self.session = session
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
            try step(tokens[start..<end], chooses: end == tokens.count)
            start = end
        }
    }

    /// Produces up to `limit` tokens (no limit when nil), giving each to `emit`, which may end the generation by
    /// returning false. An end-of-generation token is not emitted, and ends it unless `ignoresEnd`.
    public mutating func generate(
        limit: Int?, tokenizer: Tokenizer, ignoresEnd: Bool = false, emit: (UInt32) -> Bool
    ) throws(RuntimeError) -> Finish {
        var produced = 0
        while limit.map({ produced < $0 }) ?? true {
            guard let token = pending else { return .length }
            if !ignoresEnd, tokenizer.isEndOfGeneration(token) { return .endOfGeneration(token) }
            produced += 1
            guard emit(token) else { return .length }
            if produced == limit { return .length }
            guard session.committed < session.capacity else { return .contextFull }
            try step([token], chooses: true)
        }
        return .length
    }

    /// The token that follows a row of the last step.
    private mutating func choose(row: Int) throws(RuntimeError) -> UInt32? {
        if digest == nil, let count = sampler.candidateCount {
            return sampler.choose(from: try session.mostLikely(count, of: [row]).first ?? [])
        }
        guard let logits = try session.logits(of: [row]).row(0) else { return nil }
        digest?.append(logits)
        return sampler.sample(logits)
    }

    private mutating func step(_ tokens: some Collection<UInt32>, chooses: Bool) throws(RuntimeError) {
        try session.evaluate(Row.chain(tokens, after: session.committed))
        if chooses { pending = try choose(row: tokens.count - 1) }
        try session.commit(Array(0..<tokens.count))
    }
}
