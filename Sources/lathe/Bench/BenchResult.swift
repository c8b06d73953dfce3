import Checkpoints

/// What a test gave.
struct BenchResult {
    let name: String
    /// Tokens a second.
    let mean: Double
    /// Standard deviation of the repetitions.
    let deviation: Double
    let rooflineFraction: Double
    /// The time of a step beside that of a step of one row; for verification alone.
    let timesOneRow: Double?

    /// `rates` are the tokens a second of each repetition, and `fraction` is the share of the machine's limit that a
    /// number of tokens a second is.
    init(name: String, rates: [Double], timesOneRow: Double? = nil, fraction: (Double) -> Double) {
        self.name = name
        let mean = rates.reduce(0, +) / Double(rates.count)
        let variance = rates.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(1, rates.count - 1))
        self.mean = mean
        deviation = variance.squareRoot()
        rooflineFraction = fraction(mean)
        self.timesOneRow = timesOneRow
    }

    var json: JSON {
        var members: [(key: String, value: JSON)] = [
            ("test", .string(name)), ("tokens_per_second", .number(mean)), ("stddev", .number(deviation)),
            ("roofline_fraction", .number(rooflineFraction)),
        ]
        if let timesOneRow { members.append(("times_one_row", .number(timesOneRow))) }
        return .members(members)
    }
}
