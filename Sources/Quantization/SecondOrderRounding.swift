/// Rounding that knows the second moments of a linear's inputs and makes the error of its outputs small:
/// tr(E H E^T), E the weights minus their quantized values.
///
/// Scales come from a search on the original weights and stay with their groups of columns. Levels are chosen column by
/// column with feedback (LDLQ/GPTQ). Then each refinement is kept, row by row, only where it lowered the error.
/// Preparing it factors H once, for all matrices that read the same inputs.
public final class SecondOrderRounding {
    /// What is done, and how thoroughly.
    public struct Settings: Sendable, Equatable {
        /// The share of the mean of H's diagonal that is added to the diagonal.
        public var damping: Double
        /// How often coordinate descent on the codes and a refit of the scales follow one another.
        public var rounds: Int
        /// Passes over all columns in one coordinate descent.
        public var sweeps: Int
        /// Whether scales are refitted.
        public var refitsScales: Bool

        public init(damping: Double = 0.01, rounds: Int = 2, sweeps: Int = 4, refitsScales: Bool = true) {
            self.damping = damping
            self.rounds = rounds
            self.sweeps = sweeps
            self.refitsScales = refitsScales
        }
    }

    public let settings: Settings
    let moments: InputMoments
    let importance: [Float]
    private let factorization: Factorization
    private let objective: OutputObjective

    /// Throws `notFinite` where the moments are not, and `notPositiveDefinite` where no damping gives a factorization.
    public convenience init(_ moments: InputMoments, settings: Settings = Settings()) throws(QuantizationError) {
        try self.init(moments, settings: settings, threads: nil)
    }

    init(_ moments: InputMoments, settings: Settings, threads: Int?) throws(QuantizationError) {
        self.settings = settings
        self.moments = moments
        factorization = try Factorization(moments, damping: settings.damping, threads: threads)
        let damping = factorization.damping
        importance = moments.diagonal.map { $0 + damping }
        objective = OutputObjective(moments, damping: damping)
    }

    /// What was added to H's diagonal.
    public var damping: Float { factorization.damping }

    /// How often the damping had to be raised above the share that was asked for.
    public var dampingRaises: Int { factorization.raises }

    /// Chooses levels, and better scales than the rows have.
    func run(_ rows: RowTiles) {
        FeedbackRounding(factorization: factorization).run(rows)
        guard settings.rounds > 0 else { return }
        var guardian = KeptRows(rows, objective)
        for _ in 0..<settings.rounds {
            if settings.sweeps > 0 {
                CodeDescent(objective: objective, sweeps: settings.sweeps).run(rows)
                guardian.keepBetter()
            }
            if settings.refitsScales {
                ScaleRefit(objective: objective).run(rows)
                guardian.keepBetter()
            }
        }
    }
}
