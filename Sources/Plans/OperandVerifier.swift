extension InstructionVerifier {
    func buffer(_ index: BufferIndex, at place: PlanError.Place) throws(PlanError) -> Buffer {
        guard program.buffers.indices.contains(index.value) else {
            throw PlanError(
                .invalid, "a buffer exists", at: place, expected: .range(0, program.buffers.count - 1),
                found: .number(index.value))
        }
        return program.buffers[index.value]
    }

    /// The buffer exists, has this phase's rows, and all of them are written.
    func checkReadable(_ index: BufferIndex, at place: PlanError.Place) throws(PlanError) {
        try checkRows(index, at: place)
        try checkWritten(index, values: try buffer(index, at: place).width, at: place)
    }

    /// The first `values` values of the buffer's rows are written; the buffer exists.
    func checkWritten(_ index: BufferIndex, values: Int, at place: PlanError.Place) throws(PlanError) {
        guard written[index.value] >= values else {
            throw PlanError(
                .invalid, "a buffer is written before it is read", at: place, found: .number(index.value))
        }
    }

    /// The buffer exists and has this phase's rows.
    func checkRows(_ index: BufferIndex, at place: PlanError.Place) throws(PlanError) {
        let buffer = try buffer(index, at: place)
        guard buffer.rows == phase.rows else {
            throw PlanError(
                .invalid, "the body's buffers have the step's rows, the head's those asked for", at: place,
                expected: .number(Int(phase.rows.rawValue)), found: .number(Int(buffer.rows.rawValue)))
        }
    }

    func checkBodyOnly(at place: PlanError.Place) throws(PlanError) {
        guard case .body = phase else {
            throw PlanError(.invalid, "the head neither embeds, rotates nor attends", at: place)
        }
    }

    func checkElement(
        _ index: BufferIndex, _ element: Buffer.Element, at place: PlanError.Place
    ) throws(PlanError) {
        let found = try buffer(index, at: place).element
        guard found == element else {
            throw PlanError(
                .invalid, "an operand has the element kind that the instruction takes", at: place,
                expected: .number(Int(element.rawValue)), found: .number(Int(found.rawValue)))
        }
    }

    func checkFloat(_ index: BufferIndex, width: Int, at place: PlanError.Place) throws(PlanError) {
        try checkElement(index, .float32, at: place)
        try equal(
            try buffer(index, at: place).width, width, "an operand has the width that the instruction wants", at: place)
    }

    func equal(_ found: Int, _ expected: Int, _ rule: StaticString, at place: PlanError.Place) throws(PlanError) {
        guard found == expected else {
            throw PlanError(.invalid, rule, at: place, expected: .number(expected), found: .number(found))
        }
    }

    func checkVector(_ index: TensorIndex?, count: Int, at place: PlanError.Place) throws(PlanError) {
        guard let index else { return }
        try equal(
            try vector(index, at: place), count, "a vector has the length that the instruction wants", at: place)
    }

    /// The length of a vector.
    func vector(_ index: TensorIndex, at place: PlanError.Place) throws(PlanError) -> Int {
        guard case .vector(let count) = try tensor(index, at: place).layout else {
            throw PlanError(.invalid, "an operand is a vector", at: place, found: .number(index.value))
        }
        return count
    }

    func matrix(
        _ index: TensorIndex, at place: PlanError.Place
    ) throws(PlanError) -> (packing: Packing, rows: Int, columns: Int) {
        guard case .matrix(let packing, let rows, let columns) = try tensor(index, at: place).layout else {
            throw PlanError(.invalid, "an operand is a matrix", at: place, found: .number(index.value))
        }
        return (packing, rows, columns)
    }

    private func tensor(_ index: TensorIndex, at place: PlanError.Place) throws(PlanError) -> Tensor {
        guard program.tensors.indices.contains(index.value) else {
            throw PlanError(
                .invalid, "a tensor exists", at: place, expected: .range(0, program.tensors.count - 1),
                found: .number(index.value))
        }
        return program.tensors[index.value]
    }

    func checkFinite(_ value: Float, at place: PlanError.Place) throws(PlanError) {
        guard value.isFinite else {
            throw PlanError(.invalid, "a number is finite", at: place, found: .bits(UInt64(value.bitPattern)))
        }
    }

    /// An all-zero row divides by the square root of epsilon.
    func checkEpsilon(_ epsilon: Float, at place: PlanError.Place) throws(PlanError) {
        guard epsilon.isFinite, epsilon > 0 else {
            throw PlanError(
                .invalid, "epsilon is finite and above zero", at: place, found: .bits(UInt64(epsilon.bitPattern)))
        }
    }
}
