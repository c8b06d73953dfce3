/// What a guess goes by: guesses of one kind are right about as often.
enum GuessKind: Sendable, Equatable {
    /// A run of so many tokens recurred.
    case recurrence(length: Int)
    /// The model named it with such a share of its likeliest tokens behind the last tokens, so many.
    case successor(contextLength: Int, share: Float)
    /// The model named it behind a mask, for so many places behind the last token, from 0.
    case foreseen(place: Int, share: Float)
}

/// How often guesses of each kind were right.
struct GuessRates {
    private var recurrences: [AcceptanceRate]
    /// For contexts of one token, then of two.
    private var successors = [ShareRates(trust: 0.6), ShareRates(trust: 0.8)]
    private var foreseen: [ShareRates]
    /// How often a mask had a token accepted that nothing else had guessed, by its place.
    var maskGains: [AcceptanceRate]

    /// Runs from so many tokens on are of one kind.
    private static let lengths = [2, 3, 4, 6, 8, 12, 20]

    /// Masks that the model was trained for are believed about what they name, however far ahead.
    init(hasTrainedMasks: Bool) {
        let places = 1...TreeDrafter.mostMasks
        foreseen = places.map { hasTrainedMasks ? ShareRates.ofTrainedMasks : ShareRates(trust: 0.6 / Float($0)) }
        maskGains = places.map { AcceptanceRate(estimate: (hasTrainedMasks ? 0.6 : 0.4) / Float($0)) }
        recurrences = GuessRates.lengths.indices.map { AcceptanceRate(estimate: 0.4 + 0.08 * Float($0)) }
    }

    subscript(kind: GuessKind) -> AcceptanceRate {
        get {
            switch kind {
            case .recurrence(let length): recurrences[GuessRates.lengths.last(upTo: length)]
            case .successor(let length, let share): successors[length > 1 ? 1 : 0][share]
            case .foreseen(let place, let share): foreseen[min(place, foreseen.count - 1)][share]
            }
        }
        set {
            switch kind {
            case .recurrence(let length): recurrences[GuessRates.lengths.last(upTo: length)] = newValue
            case .successor(let length, let share): successors[length > 1 ? 1 : 0][share] = newValue
            case .foreseen(let place, let share): foreseen[min(place, foreseen.count - 1)][share] = newValue
            }
        }
    }
}

/// How often guesses were right by their shares of what was named with them.
struct ShareRates {
    private var rates: [AcceptanceRate]

    private static let shares: [Float] = [0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 0.95]

    /// What was measured of a small model's masks, behind guesses that were right: about the same in each place.
    static var ofTrainedMasks: ShareRates {
        ShareRates(estimates: [0.006, 0.035, 0.065, 0.11, 0.2, 0.29, 0.44, 0.61, 0.8, 0.96])
    }

    /// One estimate for each of `shares`.
    private init(estimates: [Float]) {
        rates = estimates.map { AcceptanceRate(estimate: $0) }
    }

    /// `trust` says how far a share is believed at first.
    init(trust: Float) {
        self.init(
            estimates: ShareRates.shares.indices.map { index in
                let next = index + 1 < ShareRates.shares.count ? ShareRates.shares[index + 1] : 1
                return trust * (ShareRates.shares[index] + next) / 2
            })
    }

    subscript(share: Float) -> AcceptanceRate {
        get { rates[ShareRates.shares.last(upTo: share)] }
        set { rates[ShareRates.shares.last(upTo: share)] = newValue }
    }
}

extension Array where Element: Comparable {
    /// The index of the last bound that a value reaches; 0 where it reaches none.
    fileprivate func last(upTo value: Element) -> Int { Swift.max(0, (firstIndex { $0 > value } ?? count) - 1) }
}
