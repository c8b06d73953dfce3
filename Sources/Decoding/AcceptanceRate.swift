/// How often guesses of one kind were right, of late: it forgets half of what it knows every so many guesses.
struct AcceptanceRate {
    private var right: Float
    private var all: Float

    /// What it is where nothing is known.
    private let initial: Float

    private static let memory: Float = 128
    /// Guesses that what is taken for granted counts for.
    private static let trust: Float = 4
    /// Of what is known, the share that is forgotten each time that no guess is made.
    private static let fading: Float = 1 / 256

    /// As `estimate` where nothing is known, as if it had been seen in a few guesses.
    init(estimate: Float) {
        initial = estimate
        (right, all) = (estimate * AcceptanceRate.trust, AcceptanceRate.trust)
    }

    var estimate: Float { right / all }

    mutating func record(isRight: Bool) {
        right += isRight ? 1 : 0
        all += 1
        if all > AcceptanceRate.memory { (right, all) = (right / 2, all / 2) }
    }

    /// Draws nearer to what was taken for granted: what is not guessed for long is worth another try.
    mutating func fade() {
        let kept = 1 - AcceptanceRate.fading
        right = right * kept + initial * AcceptanceRate.trust * (1 - kept)
        all = all * kept + AcceptanceRate.trust * (1 - kept)
    }
}
