import CSystem
import Plans
import Runtime

/// Guesses with the model itself, parts of which are skipped (SWIFT, Xia et al. 2024): token after token, as long as another
/// guess is likely to bring more than it costs.
public struct SkipDrafter: Drafter {
    private let session: Session
    private let weighsCosts: Bool
    private var rates = ShareRates(trust: 0.9)
    /// How often any guess was right.
    private var rate = AcceptanceRate(estimate: 0.6)
    /// Of steps of the whole model, and of steps that skip.
    private var costs: StepCosts
    private var draftCosts: StepCosts
    private var hasDrafted = false
    private var last: UInt32?
    /// The share that each guess of the last draft had of those named with it.
    private var shares: [Float] = []

    /// What a step that skips is taken to cost before any was measured, beside one of the whole model.
    private static let draftCost = 0.6

    /// Drafts in the session whose sequence it is told. Unless it weighs costs, it guesses as much as it may.
    public init(session: Session, weighsCosts: Bool = true) {
        self.session = session
        self.weighsCosts = weighsCosts
        let rows = session.engine.plan.program.maximumOutputs
        costs = StepCosts(maximumRows: rows)
        draftCosts = StepCosts(maximumRows: rows)
    }

    public var candidateCount: Int { 0 }

    public mutating func append(_ token: UInt32) { last = token }

    public mutating func draft(tokens: Int, rows: Int) -> Draft {
        shares = []
        guard session.engine.canSkip, let last else { return Draft() }
        var chain: [UInt32] = []
        var (probability, expected, spent) = (Float(1), 1.0, 0.0)
        while chain.count < min(tokens, rows) {
            let count = chain.count + 1
            let next = hasDrafted ? draftCosts.cost(rows: count) : SkipDrafter.draftCost * costs.cost(rows: count)
            let gain = Double(probability * rate.estimate)
            let isWorthwhile =
                (expected + gain) / (spent + next + costs.cost(rows: count + 1))
                > expected / (spent + costs.cost(rows: count))
            guard isWorthwhile || !weighsCosts else { break }
            let begin = lathe_seconds()
            guard let best = successor(of: [last] + chain) else { break }
            let seconds = lathe_seconds() - begin
            draftCosts.record(rows: count, seconds: seconds)
            hasDrafted = true
            spent += seconds
            probability *= rates[best.share].estimate
            expected += Double(probability)
            chain.append(best.token)
            shares.append(best.share)
        }
        return Draft(TokenTree(chain: chain))
    }

    public mutating func learn(from step: VerifiedStep) {
        costs.record(rows: step.draft.tree.count + 1, seconds: step.seconds)
        for (depth, share) in shares.enumerated() where depth <= step.accepted.count {
            rates[share].record(isRight: depth < step.accepted.count)
            rate.record(isRight: depth < step.accepted.count)
        }
    }

    /// What the model names first behind a chain of tokens, parts of it skipped; nil where the step does not fit.
    private func successor(of chain: [UInt32]) -> Successor? {
        do throws(RuntimeError) {
            try session.evaluate(Row.chain(chain, after: session.committed), skipping: true)
            let named = try session.mostLikely(SuccessorTable.width, of: [chain.count - 1])
            return named.first.flatMap { Successor.shares(of: $0).first }
        } catch {
            return nil
        }
    }
}
