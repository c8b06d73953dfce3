import Kernels
import Plans

/// One thread's part of a step: every instruction is cut among the threads so that no two write the same place.
struct Execution {
    let session: Session
    let engine: Engine
    let thread: Int
    /// This thread's copies of buffers that a few rows fill.
    private let replicas: UnsafeMutableRawPointer

    init(session: Session, thread: Int) {
        self.session = session
        self.engine = session.engine
        self.thread = thread
        replicas = session.replicas.base + thread * session.engine.replicaBytes
    }

    /// Runs this thread's part of the instructions, and waits for the others wherever they touch what it needs next.
    ///
    /// With `isSkipped` it runs those instructions alone that are not; the others still wait.
    func run(_ instructions: [Instruction], isSkipped: [Bool] = []) {
        for (index, instruction) in instructions.enumerated() {
            if case .multiplyMasks(let input, _, _, _) = instruction, maskRows(input).isEmpty { continue }
            if isSkipped.isEmpty || !isSkipped[index] { execute(instruction) }
            let uses = instruction.bufferUses
            guard let written = uses.updates ?? uses.writes else { continue }
            if !isReplicated(written) { engine.pool.barrier(thread: thread) }
            if let observer = session.observer {
                if thread == 0, let view = view(of: written) { observer(view) }
                engine.pool.barrier(thread: thread)
            }
            if written == session.lastBuffer { return }
        }
    }

    /// What a buffer holds now; nil where it is quantized or has no rows.
    private func view(of buffer: BufferIndex) -> ObservedBuffer? {
        let place = engine.buffers[buffer.value]
        let (count, stride) = (rowCount(buffer), place.stride / MemoryLayout<Float>.stride)
        guard !place.isQuantized, count > 0 else { return nil }
        return ObservedBuffer(
            index: buffer, rowCount: count, width: place.width, stride: stride,
            values: UnsafeBufferPointer(start: floats(buffer, row: 0), count: (count - 1) * stride + place.width))
    }

    private func execute(_ instruction: Instruction) {
        switch instruction {
        case .embed(let table, let first, let output):
            embed(table: table, first: first, output: output)
        case .rotaryTable(let frequencies, let factor, let output):
            rotaryTable(frequencies: frequencies, factor: factor, output: output)
        case .normalize(let input, let weight, let epsilon, let output):
            normalize(input: input, weight: weight, epsilon: epsilon, output: output)
        case .quantize(let input, let output):
            quantize(input: input, output: output)
        case .multiply(let input, let weight, let bias, let output, let column, let accumulate):
            multiply(
                input: input, weight: weight, bias: bias, output: output, column: column, accumulate: accumulate,
                rows: 0..<rowCount(input))
        case .multiplyMasks(let input, let weight, let output, let accumulate):
            multiply(
                input: input, weight: weight, bias: nil, output: output, column: 0, accumulate: accumulate,
                rows: maskRows(input))
        case .attend(let attention):
            attend(AttentionOperands(attention, engine: engine))
        case .attendShared(let attention):
            if let operands = AttentionOperands(attention, engine: engine) { attend(operands) }
        case .attendGrouped(let attention):
            if let groups = session.step.groups(of: PositionGroups(size: attention.group)) {
                attend(attention, groups: groups)
            }
        case .gate(let input, let output):
            gate(input: input, output: output)
        case .selectRows(let input, let output):
            selectRows(input: input, output: output)
        }
    }

    var kernels: lathe_kernels { engine.kernels.pointee }

    /// Rows that a buffer holds in this step.
    func rowCount(_ buffer: BufferIndex) -> Int {
        switch engine.buffers[buffer.value].rows {
        case .step: session.step.rows.count
        case .outputs: session.step.selected.count
        }
    }

    /// The rows of a buffer that are masks: its last ones.
    private func maskRows(_ buffer: BufferIndex) -> Range<Int> {
        switch engine.buffers[buffer.value].rows {
        case .step: session.step.firstMask..<session.step.rows.count
        case .outputs: session.step.firstSelectedMask..<session.step.selected.count
        }
    }

    /// Shares `count` equal units of work with the other threads; at most once an instruction. Any thread may run any
    /// unit.
    @inline(never)
    func forEachUnit(of count: Int, _ body: (Int) -> Void) {
        engine.pool.forEachUnit(of: count, thread: thread, body)
    }

    /// Calls `body` for every row of a buffer that this thread is to compute: its share, or all of them where each
    /// thread has its own.
    @inline(never)
    func forEachRow(of output: BufferIndex, _ body: (Int) -> Void) {
        let count = rowCount(output)
        if isReplicated(output) {
            for row in 0..<count { body(row) }
        } else {
            forEachUnit(of: count, body)
        }
    }

    /// Whether each thread has its own copy of the buffer in this step (`ReplicaPlan`).
    private func isReplicated(_ buffer: BufferIndex) -> Bool {
        engine.buffers[buffer.value].replicaOffset != nil && rowCount(buffer) <= ReplicaPlan.maximumRows
    }

    func bytes(_ buffer: BufferIndex, row: Int) -> UnsafeMutablePointer<UInt8> {
        let place = engine.buffers[buffer.value]
        if let offset = place.replicaOffset, rowCount(buffer) <= ReplicaPlan.maximumRows {
            return (replicas + offset + row * place.stride).assumingMemoryBound(to: UInt8.self)
        }
        return (session.arena.base + place.offset + row * place.stride).assumingMemoryBound(to: UInt8.self)
    }

    func floats(_ buffer: BufferIndex, row: Int) -> UnsafeMutablePointer<Float> {
        UnsafeMutableRawPointer(bytes(buffer, row: row)).assumingMemoryBound(to: Float.self)
    }

    /// Has `body` write one row of floats, straight into the buffer or, where that is quantized, by way of scratch.
    func writeRow(_ buffer: BufferIndex, row: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) {
        let place = engine.buffers[buffer.value]
        guard place.isQuantized else { return body(floats(buffer, row: row)) }
        let scratch = session.scratch.row(thread: thread)
        body(scratch)
        kernels.quantize_row(scratch, place.width, bytes(buffer, row: row))
    }

    /// Has `body` write a slice of a row, `range` in values: whole groups where the buffer is quantized.
    @inline(never)
    func writeSlice(
        _ buffer: BufferIndex, row: Int, _ range: Range<Int>, _ body: (UnsafeMutablePointer<Float>) -> Void
    ) {
        let place = engine.buffers[buffer.value]
        guard place.isQuantized else { return body(floats(buffer, row: row) + range.lowerBound) }
        let (scratch, slice) = (session.scratch.row(thread: thread), session.scratch.quantizedRow(thread: thread))
        body(scratch)
        kernels.quantize_row(scratch, range.count, slice)
        // A quantized row is all values, then all scales, then all sums (kernels.h).
        let destination = bytes(buffer, row: row)
        let (groups, sliceGroups) = (place.width / Packing.blockColumns, range.count / Packing.blockColumns)
        let firstGroup = range.lowerBound / Packing.blockColumns
        (destination + range.lowerBound).update(from: slice, count: range.count)
        for part in 0..<2 {
            (destination + place.width + (part * groups + firstGroup) * 4)
                .update(from: slice + range.count + part * sliceGroups * 4, count: sliceGroups * 4)
        }
    }
}
