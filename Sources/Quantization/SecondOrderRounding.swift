/// Rounding that knows the second moments H of a linear's inputs and makes the error of its outputs small:
/// tr(E H E^T), E the weights minus their quantized values.
///
/// Scales come from a search on the original weights and stay with their groups of columns. Levels are chosen column by
/// column with feedback (LDLQ/GPTQ), for several dampings of H and stretches of the scales; then codes and scales are
/// refined in turn. Every step is judged row by row, and kept only where it lowered the row's error. So no row is worse
/// than with the searched scales and plain rounding.
///
/// Preparing it factors H, for all matrices that read the same inputs. It holds width^2 floats for each damping. The
/// moments must not be added to while it is in use.
public final class SecondOrderRounding {
    /// What is tried, and how thoroughly.
    public struct Settings: Sendable, Equatable {
        /// Shares of the mean of H's diagonal that are added to the diagonal before it is factored. Feedback with much of
        /// it stays near the weights; with little, it uses small correlations too, and leaves the range of the grid
        /// sooner. Which is better differs from row to row.
        public var dampings: [Double]
        /// Factors on the searched scales: feedback widens the range that levels have to cover.
        public var stretches: [Float]
        /// The share of the mean of H's diagonal that is added to the diagonal to judge and refine, so that directions
        /// which the tokens hardly show are not free. Nil: by the number of tokens.
        public var regularization: Double?
        /// How often coordinate descent, a refit of the scales, and feedback anew follow one another.
        public var rounds: Int
        /// The most passes over all columns in one coordinate descent; 0 for none.
        public var sweeps: Int
        /// Whether scales are refitted.
        public var refitsScales: Bool

        public init(
            dampings: [Double] = [0.01], stretches: [Float] = [1], regularization: Double? = nil, rounds: Int = 1,
            sweeps: Int = 1, refitsScales: Bool = true
        ) {
            self.dampings = dampings
            self.stretches = stretches
            self.regularization = regularization
            self.rounds = rounds
            self.sweeps = sweeps
            self.refitsScales = refitsScales
        }

        /// Feedback alone, once, as GPTQ is published.
        public static func feedbackAlone(damping: Double = 0.01) -> Settings {
            Settings(dampings: [damping], stretches: [1], regularization: damping, rounds: 0)
        }
    }

    public let settings: Settings
    /// What was added to H's diagonal, one for each factorization: more than the settings' share where that was not
    /// enough to factor it.
    public var dampings: [Float] { factorizations.map(\.damping) }
    /// How often a damping had to be raised, in all.
    public let dampingRaises: Int
    /// What was added to H's diagonal to judge and refine.
    public var regularization: Float { objective.damping }
    let moments: InputMoments
    let importance: [Float]
    private let factorizations: [Factorization]
    private let objective: OutputObjective

    /// Throws `notFinite` where the moments are not, and `notPositiveDefinite` where no damping gives a factorization.
    public convenience init(_ moments: InputMoments, settings: Settings = Settings()) throws(QuantizationError) {
        try self.init(moments, settings: settings, threads: nil)
    }

    init(_ moments: InputMoments, settings: Settings, threads: Int?) throws(QuantizationError) {
        self.settings = settings
        self.moments = moments
        let diagonal = try Diagonal(moments)
        importance = diagonal.importance
        let share = settings.regularization ?? Self.regularization(width: moments.width, tokens: moments.count)
        objective = OutputObjective(moments, damping: diagonal.damping(share: share))
        var factorizations: [Factorization] = []
        var raises = 0
        for share in settings.dampings {
            let factorization = try Factorization(moments, damping: share, threads: threads)
            raises += factorization.raises
            // Two may have been raised to the same.
            if !factorizations.contains(where: { $0.damping == factorization.damping }) {
                factorizations.append(factorization)
            }
        }
        self.factorizations = factorizations
        dampingRaises = raises
    }

    /// 0.0003, and from two tokens for each input downwards with the square of what is missing, up to 0.03: found with
    /// tokens that were held out. With fewer tokens than inputs most directions are not seen at all.
    static func regularization(width: Int, tokens: Int) -> Double {
        let missing = 2 * Double(width) / Double(max(tokens, 1))
        return min(0.03, 0.0003 * max(1, missing * missing))
    }

    /// Chooses levels, and better scales than the searched ones that the rows come with.
    func run(_ rows: RowTiles) {
        rows.roundToNearest()
        var kept = KeptRows(rows, objective)
        let searched = rows.copyOfScales()
        for stretch in settings.stretches {
            for factorization in factorizations {
                rows.stretchScales(searched, by: stretch)
                FeedbackRounding(factorization: factorization).run(rows)
                kept.keepBetter()
            }
        }
        for round in 0..<settings.rounds {
            if settings.sweeps > 0 {
                CodeDescent(objective: objective, sweeps: settings.sweeps).run(rows)
                kept.keepBetter()
            }
            if settings.refitsScales {
                ScaleRefit(objective: objective).run(rows)
                kept.keepBetter()
            }
            // Refitted scales deserve levels that were chosen for them; those of the last round would stay unrefined.
            guard round + 1 < settings.rounds else { return }
            for factorization in factorizations {
                FeedbackRounding(factorization: factorization).run(rows)
                kept.keepBetter()
            }
        }
    }
}
