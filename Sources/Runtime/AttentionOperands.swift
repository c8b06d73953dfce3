import Plans

/// The operands of one attention, of any kind.
struct AttentionOperands {
    /// Where the weights come from.
    enum Weights {
        /// From queries and keys.
        case computed(HeadOperands)
        /// The donor kept them: query head q has those of the donor's query head `map[q]`.
        case kept(map: [Int])
    }

    let projected: BufferIndex
    let state: StateIndex
    let output: BufferIndex
    let queryHeads: Int
    /// Nil where a row sees every position up to its own.
    let window: AttentionWindow?
    let weights: Weights
    /// What the window's sums are; nil where it has none.
    let distant: DistantOperands?
    /// Whether others use the weights.
    let isDonor: Bool

    init(_ operands: SoftmaxAttention, engine: Engine) {
        projected = operands.projected
        state = operands.state
        output = operands.output
        queryHeads = operands.queryHeads
        window = operands.window
        weights = .computed(HeadOperands(operands, engine: engine))
        isDonor = engine.donors[operands.state.value] != nil
        let heads = engine.program.states[operands.state.value].heads
        distant = operands.window.flatMap {
            DistantOperands($0, queryHeads: operands.queryHeads, keyHeads: heads, engine: engine)
        }
    }

    init(_ operands: GroupedAttention, engine: Engine) {
        projected = operands.projected
        state = operands.state
        output = operands.output
        queryHeads = operands.queryHeads
        window = nil
        weights = .computed(HeadOperands(operands, engine: engine))
        (isDonor, distant) = (false, nil)
    }

    /// Nil where there is no such donor, which no verified program has.
    init?(_ operands: SharedAttention, engine: Engine) {
        guard let donor = engine.donors[operands.donor.value] else { return nil }
        projected = operands.projected
        state = operands.state
        output = operands.output
        queryHeads = operands.headMap.count
        window = donor.window
        weights = .kept(map: operands.headMap)
        (isDonor, distant) = (false, nil)
    }
}

/// What makes scores of the queries and keys of one attention, its vectors found.
struct HeadOperands {
    let projected: BufferIndex
    let rotary: BufferIndex
    let queryNorm: UnsafePointer<Float>?
    let keyNorm: UnsafePointer<Float>?
    let epsilon: Float
    /// Factor of the queries.
    let scale: Float
    /// Whether queries and keys are brought to length 1.
    let isUnit: Bool

    init(_ operands: SoftmaxAttention, engine: Engine) {
        (projected, rotary, epsilon) = (operands.projected, operands.rotary, operands.epsilon)
        queryNorm = engine.vector(operands.queryNorm)
        keyNorm = engine.vector(operands.keyNorm)
        (scale, isUnit) = (operands.scale, false)
    }

    init(_ operands: GroupedAttention, engine: Engine) {
        (projected, rotary, epsilon) = (operands.projected, operands.rotary, operands.epsilon)
        queryNorm = engine.vector(operands.queryNorm)
        keyNorm = engine.vector(operands.keyNorm)
        (scale, isUnit) = (1, true)
    }
}
