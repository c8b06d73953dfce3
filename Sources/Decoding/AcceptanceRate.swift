/// How often guesses of one kind were right, of late: it forgets half of what it knows every so many guesses.
struct AcceptanceRate {
    private var right: Float
    private var all: Float

    private static let memory: Float = 128

    /// As `estimate` where nothing is known, as if it had been seen in a few guesses.
    init(estimate: Float) {
        let guesses: Float = 4
        (right, all) = (estimate * guesses, guesses)
    }

    var estimate: Float { right / all }

    mutating func record(isRight: Bool) {
        right += isRight ? 1 : 0
        all += 1
        if all > AcceptanceRate.memory { (right, all) = (right / 2, all / 2) }
    }
}
