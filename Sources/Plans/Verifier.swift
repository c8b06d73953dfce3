/// Checks that a program cannot make the runtime touch memory that it does not own (formats/plan.md, "Verification").
///
/// Linear in the program's size but for sorting; never traps, whatever the numbers are. Later checks rely on what
/// earlier ones established, so the order in `verify` is part of the meaning.
struct Verifier {
    let program: Program
    let weightsBytes: Int
    let limits: Limits

    func verify() throws(PlanError) {
        try checkLimits()
        try checkTensors()
        try checkBuffers()
        try checkStates()
        try checkInstructions()
        try checkKeptWeights()
        try checkMemoryPlan()
        try checkSkipped()
    }

    private func checkLimits() throws(PlanError) {
        try check(
            program.tensors.count, from: 1, to: limits.tensors, "the number of tensors is within its limit",
            at: .program)
        try check(
            program.buffers.count, from: 1, to: limits.buffers, "the number of buffers is within its limit",
            at: .program)
        try check(
            program.states.count, from: 0, to: limits.states, "the number of states is within its limit", at: .program)
        let instructions = program.body.count + program.head.count
        try check(
            instructions, from: 2, to: limits.instructions, "the number of instructions is within its limit",
            at: .program)
        try check(
            program.maximumRows, from: 1, to: Limits.maximumRows, "the rows of a step are within their limit",
            at: .program)
        try check(
            program.maximumOutputs, from: 1, to: program.maximumRows,
            "the rows of the head are not more than those of a step",
            at: .program)
        try check(
            program.contextLength, from: 1, to: limits.contextLength, "the context length is within its limit",
            at: .program)
        try check(
            program.vocabularySize, from: 1, to: limits.width, "the vocabulary's size is within its limit", at: .program
        )
        try check(program.arenaBytes, from: 0, to: limits.arenaBytes, "the arena is within its limit", at: .program)
        guard program.arenaBytes % 64 == 0 else {
            throw PlanError(
                .invalid, "the arena is a multiple of 64 bytes", at: .program, found: .number(program.arenaBytes))
        }
    }

    private func checkBuffers() throws(PlanError) {
        for (index, buffer) in program.buffers.enumerated() {
            let place = PlanError.Place.buffer(index)
            try checkName(buffer.name, at: place)
            try check(buffer.width, from: 1, to: limits.width, "the width of a buffer is within its limit", at: place)
            guard buffer.offset >= 0, buffer.offset % 64 == 0 else {
                throw PlanError(
                    .invalid, "a buffer's offset is a multiple of 64", at: place, found: .number(buffer.offset))
            }
            guard let bytes = buffer.rowStride?.multipliedReportingOverflow(by: program.rowCount(buffer.rows)),
                !bytes.overflow, bytes.partialValue <= program.arenaBytes,
                buffer.offset <= program.arenaBytes - bytes.partialValue
            else {
                throw PlanError(
                    .invalid, "a buffer lies inside the arena", at: place, expected: .range(0, program.arenaBytes),
                    found: .number(buffer.offset))
            }
        }
    }

    private func checkStates() throws(PlanError) {
        var total = 0
        for (index, state) in program.states.enumerated() {
            let place = PlanError.Place.state(index)
            let dimensions = state.dimensions
            try check(state.heads, from: 1, to: limits.width, "the number of heads is within its limit", at: place)
            try check(
                dimensions, from: 2, to: limits.width, "the dimensions of a head are within their limit", at: place)
            guard dimensions % 2 == 0 else {
                throw PlanError(.invalid, "the dimensions of a head are even", at: place, found: .number(dimensions))
            }
            guard state.element.allows(dimensions: dimensions) else {
                throw PlanError(
                    .invalid, "the dimensions of a head with an int8 cache are a multiple of 32", at: place,
                    found: .number(dimensions))
            }
            if let sums = state.sums {
                guard state.element != .int8 else {
                    throw PlanError(.invalid, "a state with sums is of floats", at: place)
                }
                try check(
                    sums.features, from: 1, to: limits.width, "the number of features is within its limit", at: place)
            }
            // Positions and both factors are at most 2^24 by standard limits, yet a caller may raise those.
            let slots = program.contextLength.addingReportingOverflow(program.maximumRows)
            guard !slots.overflow, let bytes = state.byteCount(slots: slots.partialValue) else {
                throw PlanError(.invalid, "the size of a state can be computed", at: place)
            }
            let sum = total.addingReportingOverflow(bytes)
            guard !sum.overflow else {
                throw PlanError(.invalid, "the size of all states can be computed", at: place)
            }
            total = sum.partialValue
        }
    }

    /// What receivers need of their donors can be kept; the instructions have been checked.
    private func checkKeptWeights() throws(PlanError) {
        guard program.keptWeightBytes(capacity: program.contextLength) != nil else {
            throw PlanError(.invalid, "the size of kept weights can be computed", at: .program)
        }
    }

    func check(
        _ value: Int, from low: Int, to high: Int, _ rule: StaticString, at place: PlanError.Place
    ) throws(PlanError) {
        guard low <= value, value <= high else {
            throw PlanError(.invalid, rule, at: place, expected: .range(low, high), found: .number(value))
        }
    }

    /// Names end up in error lines and terminals: no control characters.
    func checkName(_ name: [UInt8], at place: PlanError.Place) throws(PlanError) {
        try check(name.count, from: 1, to: limits.nameBytes, "the length of a name is within its limit", at: place)
        guard isPrintableUTF8(name) else {
            throw PlanError(.invalid, "a name is UTF-8 without control characters", at: place)
        }
    }
}

extension Program {
    /// Throws unless every number, shape, operand, order and place of the program holds (formats/plan.md,
    /// "Verification"); `weightsBytes` is the size of the weights section that it is for.
    public func verify(weightsBytes: Int, limits: Limits = .standard) throws(PlanError) {
        try Verifier(program: self, weightsBytes: weightsBytes, limits: limits).verify()
    }
}
