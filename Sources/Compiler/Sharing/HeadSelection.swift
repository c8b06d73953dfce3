import Models
import Quantization

/// Which of the donor's attention weights the heads of a receiver do best with, by what its output projection can make of
/// them: every value head takes each of the donor's rows of weights on trial, and those are kept from which regression
/// brings the residual stream closest to where the layer brought it.
///
/// Similar weights are no substitute for this: several heads are often most similar to the same one, and a value head that
/// takes one row of weights twice has gained nothing.
struct HeadSelection {
    /// Inputs of a regression at the most: its memory grows with their square.
    private static let mostInputs = 4096
    private static let strength = 0.01

    private let queryHeads: Int
    private let slots: Int
    private let groups: Int
    private let dimensions: Int
    private let width: Int
    private let moments: InputMoments

    /// Nil where so many heads are more than a regression takes. `width` is that of the residual stream.
    init?(_ attention: SharedAttention, width: Int) throws(CompileError) {
        queryHeads = attention.headMap.count
        groups = attention.keyHeads
        slots = queryHeads / groups
        dimensions = attention.dimensions
        self.width = width
        let inputs = groups * queryHeads * dimensions
        guard inputs <= HeadSelection.mostInputs else { return nil }
        moments = try attempt(CompileError.quantization) { () throws(QuantizationError) in
            try InputMoments(width: inputs + width)
        }
    }

    /// Head maps with which every value head has taken every row of the donor's weights once, or more often.
    var trials: [[Int]] {
        (0..<(queryHeads + slots - 1) / slots).map { trial in
            (0..<queryHeads).map { min(trial * slots + $0 % slots, queryHeads - 1) }
        }
    }

    /// Adds a chunk: what the heads return with each of the trials, and the residual stream before the layer and where it
    /// should be behind its attention.
    func add(_ mixed: [HiddenStates], from start: HiddenStates, to end: HiddenStates) throws(CompileError) {
        let inputs = groups * queryHeads * dimensions
        let rows = HiddenStates(count: start.count, width: inputs + width)
        for row in 0..<start.count {
            rows.withRow(row) { destination in
                for (map, states) in zip(trials, mixed) {
                    states.withRow(row) { values in
                        for (head, donor) in map.enumerated() {
                            let place = (head / slots * queryHeads + donor) * dimensions
                            for index in 0..<dimensions {
                                destination[place + index] = values[head * dimensions + index]
                            }
                        }
                    }
                }
                start.withRow(row) { start in
                    end.withRow(row) { end in
                        for index in 0..<width { destination[inputs + index] = end[index] - start[index] }
                    }
                }
            }
        }
        try attempt(CompileError.quantization) { () throws(QuantizationError) in
            try rows.withValues { values throws(QuantizationError) in
                try moments.add(values, count: rows.count, stride: rows.width)
            }
        }
    }

    /// The best map; a donor's head stays with the head that has it in `former`, where that is possible.
    func headMap(replacing former: [Int]) throws(CompileError) -> [Int] {
        let selection = try attempt(CompileError.quantization) { () throws(QuantizationError) in
            try BlockSelection(
                moments, size: dimensions, groups: (0..<groups * queryHeads).map { $0 / queryHeads }, most: slots,
                strength: HeadSelection.strength)
        }
        var map = [Int?](repeating: nil, count: queryHeads)
        for group in 0..<groups {
            var chosen = selection.chosen.filter { $0 / queryHeads == group }.map { $0 % queryHeads }.sorted()
            let heads = group * slots..<(group + 1) * slots
            for head in heads {
                guard let index = chosen.firstIndex(of: former[head]) else { continue }
                map[head] = chosen.remove(at: index)
            }
            for head in heads where map[head] == nil && !chosen.isEmpty { map[head] = chosen.removeFirst() }
        }
        return zip(map, former).map { $0 ?? $1 }
    }
}
