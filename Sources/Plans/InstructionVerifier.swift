extension Verifier {
    /// Every operand exists and has the shape and kind that the instruction wants; nothing is read before it is
    /// written; states are attended once; the head leaves the logits.
    func checkInstructions() throws(PlanError) {
        let body = try checkOrder()
        for (index, isAttended) in body.attended.enumerated() where !isAttended {
            throw PlanError(.invalid, "every state is attended once a step", at: .state(index))
        }
    }

    /// What is left of the body where drafts skip instructions is a program, too, but that states may be left alone.
    func checkSkipped() throws(PlanError) {
        guard !program.skipped.isEmpty else { return }
        var last = -1
        for index in program.skipped {
            guard index > last, index < program.body.count else {
                throw PlanError(
                    .invalid, "skipped instructions are some of the body's, in order", at: .program,
                    expected: .range(last + 1, program.body.count - 1), found: .number(index))
            }
            last = index
        }
        var rest = program
        rest.body = program.draftBody
        rest.skipped = []
        let verifier = Verifier(program: rest, weightsBytes: weightsBytes, limits: limits)
        _ = try verifier.checkOrder()
        try verifier.checkMemoryPlan()
    }

    /// All of the above but that states are attended; what was found of the body.
    private func checkOrder() throws(PlanError) -> InstructionVerifier {
        var body = InstructionVerifier(program: program, phase: .body)
        for (index, instruction) in program.body.enumerated() {
            try body.check(instruction, at: .body(index))
        }
        try body.checkEmbeddingIsWhole(at: .body(program.body.count - 1))
        var head = InstructionVerifier(program: program, phase: .head(writtenByBody: body.written))
        for (index, instruction) in program.head.enumerated() {
            try head.check(instruction, at: .head(index))
        }
        guard program.buffers.indices.contains(program.logits.value), head.written[program.logits.value] > 0 else {
            throw PlanError(
                .invalid, "the head writes the logits", at: .program, found: .number(program.logits.value))
        }
        let logits = program.buffers[program.logits.value]
        guard logits.element == .float32, logits.width == program.vocabularySize else {
            throw PlanError(
                .invalid, "logits are float32 and as wide as the vocabulary", at: .program,
                expected: .number(program.vocabularySize), found: .number(logits.width))
        }
        let written = head.written[program.logits.value]
        guard written == logits.width else {
            throw PlanError(
                .invalid, "the head writes every logit", at: .program, expected: .number(logits.width),
                found: .number(written))
        }
        return body
    }
}

/// Walks one phase of a program in order.
struct InstructionVerifier {
    /// Which part of the program is checked: the head may read only what `selectRows` brings from the body.
    enum Phase {
        case body
        case head(writtenByBody: [Int])

        /// The rows that this phase's buffers have.
        var rows: Buffer.Rows {
            switch self {
            case .body: .step
            case .head: .outputs
            }
        }
    }

    let program: Program
    let phase: Phase
    /// How many values of each buffer's rows this phase has written so far, from the first one on.
    private(set) var written: [Int]
    /// Which states have been attended so far.
    var attended: [Bool]
    /// Which buffers hold something for masks alone.
    private var isOfMasks: [Bool]
    /// The last attention that computed weights.
    var donor: SoftmaxAttention?
    /// The buffer that is being embedded into while tables for its last tokens are still to come, and the token after those
    /// that have come.
    private var embedding: (output: BufferIndex, end: Int)?
    /// The buffer whose embedding the instruction before has made whole: the masks' table may follow.
    private var embedded: BufferIndex?

    init(program: Program, phase: Phase) {
        self.program = program
        self.phase = phase
        written = [Int](repeating: 0, count: program.buffers.count)
        attended = [Bool](repeating: false, count: program.states.count)
        isOfMasks = [Bool](repeating: false, count: program.buffers.count)
    }

    mutating func check(_ instruction: Instruction, at place: PlanError.Place) throws(PlanError) {
        if case .embed(_, _, let output) = instruction, output == embedding?.output {
            // The next table of the embedding under way.
        } else {
            try checkEmbeddingIsWhole(at: place)
        }
        switch instruction {
        case .selectRows(let input, let output):
            try checkSelectRows(input: input, output: output, at: place)
        default:
            let uses = instruction.bufferUses
            for read in uses.reads {
                try checkReadable(read, at: place)
                try checkRowsWritten(read, for: instruction, at: place)
            }
            if let updated = uses.updates { try checkRowsWritten(updated, for: instruction, at: place) }
            if let changed = uses.writes ?? uses.updates { try checkRows(changed, at: place) }
            try checkOperands(of: instruction, at: place)
        }
        let uses = instruction.bufferUses
        if let changed = uses.writes ?? uses.updates {
            guard !uses.reads.contains(changed) else {
                throw PlanError(
                    .invalid, "an instruction does not write what it reads", at: place, found: .number(changed.value))
            }
            written[changed.value] = try values(writtenBy: instruction, to: changed, at: place)
            isOfMasks[changed.value] = instruction.writesMasksAlone
        }
        if case .embed(_, _, let output) = instruction, embedding == nil {
            embedded = embedded == output ? nil : output
        } else {
            embedded = nil
        }
    }

    /// What masks alone have something in is read and changed for masks alone.
    private func checkRowsWritten(
        _ index: BufferIndex, for instruction: Instruction, at place: PlanError.Place
    ) throws(PlanError) {
        if case .multiplyMasks = instruction { return }
        guard index.value < isOfMasks.count, !isOfMasks[index.value] else {
            throw PlanError(
                .invalid, "what masks alone have is read for masks alone", at: place, found: .number(index.value))
        }
    }

    /// Values of a buffer's rows that are written once a checked instruction has changed it, from the first one on.
    private func values(
        writtenBy instruction: Instruction, to changed: BufferIndex, at place: PlanError.Place
    ) throws(PlanError) -> Int {
        guard case .multiply(_, let weight, _, _, let column, let accumulate) = instruction else {
            return program.buffers[changed.value].width
        }
        if accumulate { return written[changed.value] }
        let end = column + (try matrix(weight, at: place).rows)
        return column == 0 ? end : max(end, written[changed.value])
    }

    private mutating func checkOperands(of instruction: Instruction, at place: PlanError.Place) throws(PlanError) {
        switch instruction {
        case .embed(let table, let first, let output):
            try checkEmbed(table: table, first: first, output: output, at: place)
        case .rotaryTable(let frequencies, let factor, let output):
            try checkBodyOnly(at: place)
            let count = try vector(frequencies, at: place)
            try checkFinite(factor, at: place)
            try checkFloat(output, width: 2 * count, at: place)
        case .normalize(let input, let weight, let epsilon, let output):
            let width = try buffer(input, at: place).width
            try checkFloat(input, width: width, at: place)
            try checkVector(weight, count: width, at: place)
            try checkEpsilon(epsilon, at: place)
            try equal(try buffer(output, at: place).width, width, "a norm keeps the width", at: place)
        case .quantize(let input, let output):
            let quantized = try buffer(output, at: place)
            try checkFloat(input, width: quantized.width, at: place)
            try checkElement(output, .quantized, at: place)
        case .multiply(let input, let weight, let bias, let output, let column, let accumulate):
            let (packing, rows, columns) = try matrix(weight, at: place)
            try checkElement(input, packing.isFloat ? .float32 : .quantized, at: place)
            try equal(
                try buffer(input, at: place).width, columns, "the input is as wide as the matrix has columns", at: place
            )
            try checkVector(bias, count: rows, at: place)
            let width = try buffer(output, at: place).width
            guard column >= 0, rows <= width, column <= width - rows else {
                throw PlanError(
                    .invalid, "a product fits into its output's rows", at: place,
                    expected: .range(0, max(0, width - rows)), found: .number(column))
            }
            try checkFloat(output, width: width, at: place)
            try checkWritten(output, values: accumulate ? column + rows : column, at: place)
        case .multiplyMasks(let input, let weight, let output, let accumulate):
            let (packing, rows, columns) = try matrix(weight, at: place)
            try checkElement(input, packing.isFloat ? .float32 : .quantized, at: place)
            try equal(
                try buffer(input, at: place).width, columns, "the input is as wide as the matrix has columns", at: place
            )
            try checkFloat(output, width: rows, at: place)
            if accumulate { try checkWritten(output, values: rows, at: place) }
        case .attend(let attention):
            try check(attention, at: place)
        case .attendShared(let attention):
            try check(attention, at: place)
        case .attendGrouped(let attention):
            try check(attention, at: place)
        case .gate(let input, let output):
            let half = try buffer(output, at: place)
            try checkFloat(input, width: 2 * half.width, at: place)
        case .selectRows:
            // Its own check: the one instruction whose input and output have different rows.
            return
        }
    }

    /// Tables of one embedding follow each other, in the program as in their tokens.
    private mutating func checkEmbed(
        table: TensorIndex, first: Int, output: BufferIndex, at place: PlanError.Place
    ) throws(PlanError) {
        try checkBodyOnly(at: place)
        let (_, rows, columns) = try matrix(table, at: place)
        if output == embedded, first == program.vocabularySize {
            try checkFloat(output, width: columns, at: place)
            guard rows <= Limits.maskPlaces else {
                throw PlanError(
                    .invalid, "a group of masks has so many places", at: place, expected: .range(1, Limits.maskPlaces),
                    found: .number(rows))
            }
            return
        }
        try equal(first, embedding?.end ?? 0, "a table begins with the token behind the table before it", at: place)
        guard rows <= program.vocabularySize - first else {
            throw PlanError(
                .invalid, "an embedding has one row for every token", at: place,
                expected: .number(program.vocabularySize - first), found: .number(rows))
        }
        try checkFloat(output, width: columns, at: place)
        let end = first + rows
        embedding = end < program.vocabularySize ? (output, end) : nil
    }

    /// No table is missing of the embedding before `place`.
    func checkEmbeddingIsWhole(at place: PlanError.Place) throws(PlanError) {
        guard let embedding else { return }
        throw PlanError(
            .invalid, "an embedding has one row for every token", at: place, expected: .number(program.vocabularySize),
            found: .number(embedding.end))
    }

    private func checkSelectRows(input: BufferIndex, output: BufferIndex, at place: PlanError.Place) throws(PlanError) {
        guard case .head(let writtenByBody) = phase else {
            throw PlanError(.invalid, "rows are selected in the head", at: place)
        }
        let source = try buffer(input, at: place)
        let target = try buffer(output, at: place)
        guard writtenByBody[input.value] == source.width else {
            throw PlanError(
                .invalid, "a buffer is written before it is read", at: place, found: .number(input.value))
        }
        guard source.rows == .step, target.rows == .outputs else {
            throw PlanError(.invalid, "rows are selected from the step's to the head's", at: place)
        }
        try equal(target.width, source.width, "selected rows keep their width", at: place)
        try checkElement(output, source.element, at: place)
    }
}

extension Instruction {
    /// Whether what it writes is something for masks alone.
    fileprivate var writesMasksAlone: Bool {
        if case .multiplyMasks(_, _, _, false) = self { true } else { false }
    }
}
