import Kernels
import Plans

/// The instructions that treat every row by itself.
extension Execution {
    func embed(table: TensorIndex, output: BufferIndex) {
        guard let (packing, _, columns, bytes) = engine.matrix(table) else { return }
        for row in share(of: session.step.rows.count) {
            let destination = floats(output, row: row)
            switch session.step.rows[row].input {
            case .token(let token):
                lathe_unpack_row(packing.kernelPacking, bytes, columns, Int(token), destination)
            case .embedding(let index):
                session.embeddings[index].withUnsafeBufferPointer { values in
                    for (column, value) in values.enumerated() { destination[column] = value }
                }
            }
        }
    }

    func rotaryTable(frequencies: TensorIndex, factor: Float, output: BufferIndex) {
        guard let values = engine.vector(frequencies) else { return }
        let half = engine.buffers[output.value].width / 2
        for row in share(of: session.step.rows.count) {
            let table = floats(output, row: row)
            lathe_rotary_row(session.step.rows[row].position, values, half, factor, table, table + half)
        }
    }

    func normalize(input: BufferIndex, weight: TensorIndex?, epsilon: Float, output: BufferIndex) {
        let width = engine.buffers[input.value].width
        let weights = engine.vector(weight)
        for row in share(of: rowCount(input)) {
            writeRow(output, row: row) { kernels.rms_norm(floats(input, row: row), weights, width, epsilon, $0) }
        }
    }

    func quantize(input: BufferIndex, output: BufferIndex) {
        let width = engine.buffers[input.value].width
        for row in share(of: rowCount(input)) {
            kernels.quantize_row(floats(input, row: row), width, bytes(output, row: row))
        }
    }

    func gate(input: BufferIndex, output: BufferIndex) {
        let width = engine.buffers[output.value].width
        for row in share(of: rowCount(input)) {
            let gate = floats(input, row: row)
            writeRow(output, row: row) { kernels.silu_gate(gate, gate + width, width, $0) }
        }
    }

    func selectRows(input: BufferIndex, output: BufferIndex) {
        let width = engine.buffers[input.value].width
        for row in share(of: session.step.selected.count) {
            floats(output, row: row).update(from: floats(input, row: session.step.selected[row]), count: width)
        }
    }
}
