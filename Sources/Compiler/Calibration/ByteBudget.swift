/// Chooses one option for each unit, a packing of a matrix or a form of attention of a layer, so that the predicted divergence
/// is small and the bytes stay within a limit.
///
/// The choice is the greedy one along each unit's lower convex hull, which is the best for every budget that it meets
/// exactly (Lagrange multipliers); what is then left goes to the single steps that gain most. Ties go to the first unit,
/// so equal inputs give equal choices.
struct ByteBudget {
    /// One unit's options: bytes and predicted divergence of each.
    struct Unit {
        let bytes: [Int]
        let costs: [Double]
    }

    let units: [Unit]

    /// The least bytes that the units can take.
    var smallest: Int { units.reduce(0) { $0 + ($1.bytes.min() ?? 0) } }

    /// Indices of the options chosen, or nil where even the smallest do not fit.
    func choose(within limit: Int) -> [Int]? {
        guard smallest <= limit else { return nil }
        var chosen = units.map { ByteBudget.hull(of: $0)[0] }
        var total = zip(units, chosen).reduce(0) { $0 + $1.0.bytes[$1.1] }
        // Steps along the hulls, steepest first, while they fit; then any step that fits.
        for isHull in [true, false] {
            let paths = units.map { isHull ? ByteBudget.hull(of: $0) : Array($0.bytes.indices) }
            while let step = bestStep(from: chosen, paths: paths, room: limit - total) {
                total += units[step.unit].bytes[step.option] - units[step.unit].bytes[chosen[step.unit]]
                chosen[step.unit] = step.option
            }
        }
        return chosen
    }

    private struct Step {
        let unit: Int
        let option: Int
        let gain: Double
    }

    /// The step to a larger option that saves most divergence a byte, among those that fit.
    private func bestStep(from chosen: [Int], paths: [[Int]], room: Int) -> Step? {
        var best: Step?
        for (index, unit) in units.enumerated() {
            let current = chosen[index]
            for option in paths[index] where unit.bytes[option] > unit.bytes[current] {
                let added = unit.bytes[option] - unit.bytes[current]
                let saved = unit.costs[current] - unit.costs[option]
                guard added <= room, saved > 0 else { continue }
                let gain = saved / Double(added)
                if gain > best?.gain ?? 0 { best = Step(unit: index, option: option, gain: gain) }
            }
        }
        return best
    }

    /// The options on the lower convex hull of cost over bytes, from the smallest to the cheapest.
    static func hull(of unit: Unit) -> [Int] {
        let order = unit.bytes.indices.sorted {
            (unit.bytes[$0], unit.costs[$0], $0) < (unit.bytes[$1], unit.costs[$1], $1)
        }
        var hull: [Int] = []
        for option in order {
            if let last = hull.last, unit.costs[option] >= unit.costs[last] { continue }
            while hull.count >= 2,
                slope(unit, hull[hull.count - 2], hull[hull.count - 1]) >= slope(unit, hull[hull.count - 1], option)
            {
                hull.removeLast()
            }
            hull.append(option)
        }
        return hull
    }

    private static func slope(_ unit: Unit, _ from: Int, _ to: Int) -> Double {
        (unit.costs[to] - unit.costs[from]) / Double(unit.bytes[to] - unit.bytes[from])
    }
}
