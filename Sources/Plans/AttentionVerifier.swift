/// Attention: shapes of what it reads and writes, states that are attended once, and donors of weights.
extension InstructionVerifier {
    mutating func check(_ attention: SoftmaxAttention, at place: PlanError.Place) throws(PlanError) {
        try checkBodyOnly(at: place)
        let distant = attention.window?.distant
        let state = try state(attention.state, at: place) {
            switch $0 {
            case .keysAndValues: distant == nil
            case .sums(_, _, _, let sums): distant != nil && sums.areWeighed
            case .values: false
            }
        }
        try checkProjected(attention.projected, state: state, queryHeads: attention.queryHeads, at: place)
        try checkFloat(attention.rotary, width: state.dimensions, at: place)
        try checkNorms(
            attention.queryNorm, attention.keyNorm, epsilon: attention.epsilon, dimensions: state.dimensions, at: place)
        try checkFinite(attention.scale, at: place)
        if let window = attention.window {
            if let distant { try check(distant, of: window, state: state, queryHeads: attention.queryHeads, at: place) }
            guard window.length >= 1, window.length <= Int(Int32.max) else {
                throw PlanError(
                    .invalid, "the window is within its limit", at: place, expected: .range(1, Int(Int32.max)),
                    found: .number(window.length))
            }
            guard window.sinks >= 0, window.sinks <= AttentionWindow.mostSinks else {
                throw PlanError(
                    .invalid, "a window has at most 256 sinks", at: place,
                    expected: .range(0, AttentionWindow.mostSinks),
                    found: .number(window.sinks))
            }
        }
        try attendOnce(attention.state, at: place)
        try checkOutput(attention.output, queryHeads: attention.queryHeads, state: state, at: place)
        donor = distant == nil ? attention : nil
    }

    /// What is summed behind a window has one shape for all heads, and the state room for it.
    private func check(
        _ distant: DistantSums, of window: AttentionWindow, state: MixerState, queryHeads: Int,
        at place: PlanError.Place
    ) throws(PlanError) {
        guard distant.block >= 1, distant.block <= DistantSums.mostPositions else {
            throw PlanError(
                .invalid, "a block has at most 240 positions", at: place,
                expected: .range(1, DistantSums.mostPositions), found: .number(distant.block))
        }
        guard window.length % distant.block == 0 else {
            throw PlanError(
                .invalid, "a window consists of whole blocks", at: place, expected: .number(distant.block),
                found: .number(window.length))
        }
        let queryRows = try mapRows(distant.queryMap, state: state, at: place)
        let rows = queryRows / queryHeads
        guard queryRows % queryHeads == 0, rows % Packing.tileRows == 0, rows <= DistantSums.mostMapRows else {
            throw PlanError(
                .invalid, "a feature map has whole tiles of 16 rows for every query head, at most 256", at: place,
                expected: .number(queryHeads * Packing.tileRows), found: .number(queryRows))
        }
        let keyRows = try mapRows(distant.keyMap, state: state, at: place)
        guard keyRows == rows * state.heads || keyRows == rows * queryHeads else {
            throw PlanError(
                .invalid, "a feature map of keys has as many rows for every key head, or query head", at: place,
                expected: .number(rows * state.heads), found: .number(keyRows))
        }
        try equal(
            state.sums?.features ?? 0, 2 * keyRows / state.heads, "the state has room for the features of its keys",
            at: place)
        try checkVector(distant.gate, count: queryHeads * (state.dimensions + 2), at: place)
    }

    /// The rows of a matrix of floats that takes the queries or keys of a state.
    private func mapRows(_ map: TensorIndex, state: MixerState, at place: PlanError.Place) throws(PlanError) -> Int {
        let (packing, rows, columns) = try matrix(map, at: place)
        guard packing.isFloat else {
            throw PlanError(.invalid, "a feature map is a matrix of floats", at: place, found: .number(map.value))
        }
        try equal(columns, state.dimensions, "a feature map takes a head's dimensions", at: place)
        return rows
    }

    mutating func check(_ attention: SharedAttention, at place: PlanError.Place) throws(PlanError) {
        try checkBodyOnly(at: place)
        let state = try state(attention.state, at: place) { if case .values = $0 { true } else { false } }
        // One donor's weights are kept at a time: those of the attention that computed the last ones.
        guard let donor, donor.state == attention.donor else {
            throw PlanError(
                .invalid, "weights are those of the last attend before", at: place,
                expected: self.donor.map { .number($0.state.value) } ?? .none, found: .number(attention.donor.value))
        }
        try equal(
            attention.headMap.count, donor.queryHeads, "weights are shared among equally many query heads", at: place)
        for donorHead in attention.headMap {
            guard donorHead >= 0, donorHead < donor.queryHeads else {
                throw PlanError(
                    .invalid, "a head map names query heads of the donor", at: place,
                    expected: .range(0, donor.queryHeads - 1), found: .number(donorHead))
            }
        }
        let queryHeads = attention.headMap.count
        guard queryHeads % state.heads == 0 else {
            throw PlanError(
                .invalid, "query heads are a multiple of the heads of values", at: place,
                expected: .number(state.heads), found: .number(queryHeads))
        }
        try checkFloat(
            attention.projected, width: try width(of: state.heads, state: state, at: place), at: place)
        try attendOnce(attention.state, at: place)
        try checkOutput(attention.output, queryHeads: queryHeads, state: state, at: place)
    }

    mutating func check(_ attention: GroupedAttention, at place: PlanError.Place) throws(PlanError) {
        try checkBodyOnly(at: place)
        let state = try state(attention.state, at: place) {
            if let sums = $0.sums { !sums.areWeighed && sums.features == $0.dimensions } else { false }
        }
        try checkProjected(attention.projected, state: state, queryHeads: attention.queryHeads, at: place)
        try checkFloat(attention.rotary, width: state.dimensions, at: place)
        try checkNorms(
            attention.queryNorm, attention.keyNorm, epsilon: attention.epsilon, dimensions: state.dimensions, at: place)
        try checkFinite(attention.alpha, at: place)
        var taps = 0
        if let convolution = attention.convolution {
            let count = try vector(convolution, at: place)
            guard count % attention.queryHeads == 0 else {
                throw PlanError(
                    .invalid, "every query head has as many taps", at: place, expected: .number(attention.queryHeads),
                    found: .number(count))
            }
            taps = count / attention.queryHeads
        }
        guard attention.group >= 1, attention.group <= GroupedAttention.mostPositions,
            taps <= GroupedAttention.mostPositions - attention.group
        else {
            throw PlanError(
                .invalid, "a group and the taps of a head are at most 240 positions", at: place,
                expected: .range(1, GroupedAttention.mostPositions - min(taps, GroupedAttention.mostPositions)),
                found: .number(attention.group))
        }
        try attendOnce(attention.state, at: place)
        try checkOutput(attention.output, queryHeads: attention.queryHeads, state: state, at: place)
    }

    private func checkNorms(
        _ query: TensorIndex?, _ key: TensorIndex?, epsilon: Float, dimensions: Int, at place: PlanError.Place
    ) throws(PlanError) {
        try checkVector(query, count: dimensions, at: place)
        try checkVector(key, count: dimensions, at: place)
        if query != nil || key != nil {
            try checkEpsilon(epsilon, at: place)
        } else {
            try checkFinite(epsilon, at: place)
        }
    }

    /// The state exists and is of the kind that the instruction takes.
    private func state(
        _ index: StateIndex, at place: PlanError.Place, isTaken: (MixerState) -> Bool
    ) throws(PlanError) -> MixerState {
        guard program.states.indices.contains(index.value) else {
            throw PlanError(
                .invalid, "a state exists", at: place, expected: .range(0, program.states.count - 1),
                found: .number(index.value))
        }
        let state = program.states[index.value]
        guard isTaken(state) else {
            throw PlanError(
                .invalid, "a state is of the kind that the instruction takes", at: place, found: .number(index.value))
        }
        return state
    }

    private mutating func attendOnce(_ state: StateIndex, at place: PlanError.Place) throws(PlanError) {
        guard !attended[state.value] else {
            throw PlanError(.invalid, "every state is attended once a step", at: place, found: .number(state.value))
        }
        attended[state.value] = true
    }

    /// Values of so many heads.
    private func width(of heads: Int, state: MixerState, at place: PlanError.Place) throws(PlanError) -> Int {
        let (width, overflow) = heads.multipliedReportingOverflow(by: state.dimensions)
        guard !overflow else {
            throw PlanError(.invalid, "the heads fit the projection", at: place, found: .number(heads))
        }
        return width
    }

    /// The projection holds the queries, keys and values of one state.
    private func checkProjected(
        _ projected: BufferIndex, state: MixerState, queryHeads: Int, at place: PlanError.Place
    ) throws(PlanError) {
        let (heads, width) = (state.heads, try buffer(projected, at: place).width)
        // Bounded by the width first, so that the sums and products below stay in range.
        guard queryHeads >= 1, queryHeads <= width, heads <= width, state.dimensions <= width else {
            throw PlanError(
                .invalid, "the heads fit the projection", at: place, expected: .number(width),
                found: .number(queryHeads))
        }
        guard queryHeads % heads == 0 else {
            throw PlanError(
                .invalid, "query heads are a multiple of the key heads", at: place, expected: .number(heads),
                found: .number(queryHeads))
        }
        try checkFloat(
            projected, width: try self.width(of: queryHeads + 2 * heads, state: state, at: place), at: place)
    }

    /// The output holds a value for every query head and dimension.
    private func checkOutput(
        _ output: BufferIndex, queryHeads: Int, state: MixerState, at place: PlanError.Place
    ) throws(PlanError) {
        let output = try buffer(output, at: place)
        try equal(
            output.width, try width(of: queryHeads, state: state, at: place),
            "attention returns a value for every query", at: place)
        if output.element == .quantized {
            // Threads quantize the query heads of one key head by themselves: groups may not reach over.
            try equal(
                queryHeads / state.heads * state.dimensions % Packing.blockColumns, 0,
                "the query heads of a key head fill whole groups", at: place)
        }
    }
}
