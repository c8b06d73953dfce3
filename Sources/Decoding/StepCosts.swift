/// What steps take by their number of rows, and by whether they have masks, as measured of late: a straight line through all of
/// them, and for each number of rows how far its own steps were off it. What masks alone need is read once, however many there are.
struct StepCosts {
    /// Means over the steps, each of which counts less than the one after it, and mean products of what differs from them.
    private var weight = 0.0
    private var mean = Point()
    private var spread = Spread()
    /// By the number of rows, less one: the mean time beside the line's, and how much is known of it.
    private var own: [(ratio: Double, weight: Double)]

    private struct Point {
        var rows = 0.0
        var masks = 0.0
        var seconds = 0.0
    }

    /// Sums of products.
    private struct Spread {
        var rowsRows = 0.0
        var rowsMasks = 0.0
        var masksMasks = 0.0
        var rowsSeconds = 0.0
        var masksSeconds = 0.0
    }

    /// What a further row, and masks, are taken to cost before anything is measured, beside a step of one row.
    private static let rowCost = 0.04
    private static let maskCost = 0.1
    /// How much that counts: as squares of rows, or of masks, about their mean do.
    private static let trust = (rows: 4.0, masks: 1.0)
    /// What a step counts for, beside the step after it.
    private static let memory = 0.97
    /// A step that was disturbed counts as so many times what was expected, no more, once so many steps are known.
    private static let disturbance = (times: 2.0, steps: 8.0)

    init(maximumRows: Int) {
        own = Array(repeating: (1, 0), count: maximumRows)
    }

    mutating func record(rows count: Int, masks: Bool = false, seconds time: Double) {
        guard own.indices.contains(count - 1), time > 0 else { return }
        let isKnown = weight > StepCosts.disturbance.steps
        let time = isKnown ? min(time, cost(rows: count, masks: masks) * StepCosts.disturbance.times) : time
        add(Point(rows: Double(count), masks: masks ? 1 : 0, seconds: time))
        for index in own.indices { own[index].weight *= StepCosts.memory }
        let (ratio, known) = own[count - 1]
        own[count - 1] = ((ratio * known + time / line(count, masks)) / (known + 1), known + 1)
    }

    /// The time of a step, in seconds or, before anything is measured, in steps of one row.
    func cost(rows count: Int, masks: Bool = false) -> Double {
        guard own.indices.contains(count - 1) else { return line(count, masks) }
        // One step's worth of faith in the line.
        let (ratio, known) = own[count - 1]
        return line(count, masks) * (ratio * known + 1) / (known + 1)
    }

    private mutating func add(_ step: Point) {
        let before = weight * StepCosts.memory
        weight = before + 1
        let (rows, masks) = (step.rows - mean.rows, step.masks - mean.masks)
        let seconds = step.seconds - mean.seconds
        mean.rows += rows / weight
        mean.masks += masks / weight
        mean.seconds += seconds / weight
        let (kept, share) = (StepCosts.memory, before / weight)
        spread.rowsRows = spread.rowsRows * kept + share * rows * rows
        spread.rowsMasks = spread.rowsMasks * kept + share * rows * masks
        spread.masksMasks = spread.masksMasks * kept + share * masks * masks
        spread.rowsSeconds = spread.rowsSeconds * kept + share * rows * seconds
        spread.masksSeconds = spread.masksSeconds * kept + share * masks * seconds
    }

    private func line(_ count: Int, _ masks: Bool) -> Double {
        let (rowCost, maskCost) = (StepCosts.rowCost, StepCosts.maskCost)
        guard weight > 0 else { return 1 + rowCost * Double(count - 1) + (masks ? maskCost : 0) }
        // A step of one row, as what is taken for granted has it.
        let one = mean.seconds / (1 + rowCost * (mean.rows - 1) + maskCost * mean.masks)
        let (rowTrust, maskTrust) = StepCosts.trust
        let (a, b, c) = (spread.rowsRows + rowTrust, spread.rowsMasks, spread.masksMasks + maskTrust)
        let rowSum = spread.rowsSeconds + rowTrust * rowCost * one
        let maskSum = spread.masksSeconds + maskTrust * maskCost * one
        let determinant = a * c - b * b
        // No row and no mask comes for nothing, and steps of one row take some time.
        let ofMasks = min(max(0, (maskSum * a - rowSum * b) / determinant), 0.5 * mean.seconds)
        let ofRow = min(max(0, (rowSum * c - maskSum * b) / determinant), 0.9 * mean.seconds / max(mean.rows - 1, 1))
        let found = mean.seconds + ofRow * (Double(count) - mean.rows) + ofMasks * ((masks ? 1 : 0) - mean.masks)
        return max(found, 0.1 * mean.seconds / mean.rows)
    }
}
