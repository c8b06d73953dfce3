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
    private var successors: [[AcceptanceRate]]
    private var foreseen: [[AcceptanceRate]]
    /// How often a mask had a token accepted that nothing else had guessed, by its place.
    var maskGains: [AcceptanceRate]

    /// Runs from so many tokens on are of one kind.
    private static let lengths = [2, 3, 4, 6, 8, 12, 20]
    private static let shares: [Float] = [0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 0.95]

    init() {
        recurrences = GuessRates.lengths.indices.map { AcceptanceRate(estimate: 0.4 + 0.08 * Float($0)) }
        // How far a share is trusted at first.
        func byShare(_ trust: Float) -> [AcceptanceRate] {
            GuessRates.shares.indices.map { index in
                let next = index + 1 < GuessRates.shares.count ? GuessRates.shares[index + 1] : 1
                return AcceptanceRate(estimate: trust * (GuessRates.shares[index] + next) / 2)
            }
        }
        successors = [byShare(0.6), byShare(0.8)]
        foreseen = (0..<TreeDrafter.mostMasks).map { byShare(0.6 / Float($0 + 1)) }
        maskGains = (0..<TreeDrafter.mostMasks).map { AcceptanceRate(estimate: 0.4 / Float($0 + 1)) }
    }

    subscript(kind: GuessKind) -> AcceptanceRate {
        get {
            switch kind {
            case .recurrence(let length): recurrences[GuessRates.last(of: GuessRates.lengths, upTo: length)]
            case .successor(let length, let share):
                successors[length > 1 ? 1 : 0][GuessRates.last(of: GuessRates.shares, upTo: share)]
            case .foreseen(let place, let share):
                foreseen[min(place, foreseen.count - 1)][GuessRates.last(of: GuessRates.shares, upTo: share)]
            }
        }
        set {
            switch kind {
            case .recurrence(let length):
                recurrences[GuessRates.last(of: GuessRates.lengths, upTo: length)] = newValue
            case .successor(let length, let share):
                successors[length > 1 ? 1 : 0][GuessRates.last(of: GuessRates.shares, upTo: share)] = newValue
            case .foreseen(let place, let share):
                foreseen[min(place, foreseen.count - 1)][GuessRates.last(of: GuessRates.shares, upTo: share)] = newValue
            }
        }
    }

    /// The index of the last bound that a value reaches; 0 where it reaches none.
    private static func last<Value: Comparable>(of bounds: [Value], upTo value: Value) -> Int {
        max(0, (bounds.firstIndex { $0 > value } ?? bounds.count) - 1)
    }
}
