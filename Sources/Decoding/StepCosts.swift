/// What steps take by their number of rows, as measured of late: a straight line through all of them, and for each number of
/// rows how far its own steps were off it.
struct StepCosts {
    /// Sums over the steps, each of which counts less than the one after it.
    private var weight = 0.0
    private var rows = 0.0
    private var seconds = 0.0
    private var squares = 0.0
    private var products = 0.0
    /// By the number of rows, less one: the mean time beside the line's, and how much is known of it.
    private var own: [(ratio: Double, weight: Double)]

    /// What a further row is taken to cost before anything is measured, beside a step of one.
    private static let rowCost = 0.04
    /// How much that counts: as squares of rows about their mean do.
    private static let trust = 4.0
    /// What a step counts for, beside the step after it.
    private static let memory = 0.97
    /// A step that was disturbed counts as so many times what was expected, no more, once so many steps are known.
    private static let disturbance = (times: 2.0, steps: 8.0)

    init(maximumRows: Int) {
        own = Array(repeating: (1, 0), count: maximumRows)
    }

    mutating func record(rows count: Int, seconds time: Double) {
        guard own.indices.contains(count - 1), time > 0 else { return }
        let isKnown = weight > StepCosts.disturbance.steps
        let time = isKnown ? min(time, cost(rows: count) * StepCosts.disturbance.times) : time
        for index in own.indices { own[index].weight *= StepCosts.memory }
        let (x, kept) = (Double(count), StepCosts.memory)
        (weight, rows, seconds) = (weight * kept + 1, rows * kept + x, seconds * kept + time)
        (squares, products) = (squares * kept + x * x, products * kept + x * time)
        let (ratio, known) = own[count - 1]
        own[count - 1] = ((ratio * known + time / line(count)) / (known + 1), known + 1)
    }

    /// The time of a step, in seconds or, before anything is measured, in steps of one row.
    func cost(rows count: Int) -> Double {
        guard own.indices.contains(count - 1) else { return line(count) }
        // One step's worth of faith in the line.
        let (ratio, known) = own[count - 1]
        return line(count) * (ratio * known + 1) / (known + 1)
    }

    private func line(_ count: Int) -> Double {
        guard weight > 0 else { return 1 + StepCosts.rowCost * Double(count - 1) }
        let (meanRows, mean) = (rows / weight, seconds / weight)
        let expected = StepCosts.rowCost * mean / (1 + StepCosts.rowCost * (meanRows - 1))
        let slope =
            (products - meanRows * seconds + StepCosts.trust * expected)
            / (squares - meanRows * rows + StepCosts.trust)
        // No row comes for nothing, and steps of one row take some time.
        let steepest = 0.9 * mean / max(meanRows - 1, 1)
        return max(mean + min(max(0, slope), steepest) * (Double(count) - meanRows), 0.1 * mean / meanRows)
    }
}
