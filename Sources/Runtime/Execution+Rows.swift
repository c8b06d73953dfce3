import Kernels
import Plans

/// The instructions that treat every row by itself.
extension Execution {
    func embed(table: TensorIndex, first: Int, output: BufferIndex) {
        guard let table = engine.matrix(table) else { return }
        let tokens = first..<first + table.rows
        forEachRow(of: output) { row in
            let destination = floats(output, row: row)
            switch session.step.rows[row].input {
            case .token(let token):
                guard tokens.contains(Int(token)) else { return }
                table.unpack(row: Int(token) - first, into: destination)
            case .mask(let place):
                guard tokens.contains(engine.program.vocabularySize + place) else { return }
                table.unpack(row: place, into: destination)
            case .embedding(let index):
                // One of the embedding's tables stands for all of them.
                guard first == 0 else { return }
                session.embeddings[index].withUnsafeBufferPointer { values in
                    for (column, value) in values.enumerated() { destination[column] = value }
                }
            }
        }
    }

    func rotaryTable(frequencies: TensorIndex, factor: Float, output: BufferIndex) {
        guard let values = engine.vector(frequencies) else { return }
        let half = engine.buffers[output.value].width / 2
        forEachRow(of: output) { row in
            let table = floats(output, row: row)
            lathe_rotary_row(session.step.rows[row].position, values, half, factor, table, table + half)
        }
    }

    func normalize(input: BufferIndex, weight: TensorIndex?, epsilon: Float, output: BufferIndex) {
        let width = engine.buffers[input.value].width
        let weights = engine.vector(weight)
        forEachRow(of: output) { row in
            writeRow(output, row: row) { kernels.rms_norm(floats(input, row: row), weights, width, epsilon, $0) }
        }
    }

    func quantize(input: BufferIndex, output: BufferIndex) {
        let width = engine.buffers[input.value].width
        forEachRow(of: output) { row in
            kernels.quantize_row(floats(input, row: row), width, bytes(output, row: row))
        }
    }

    func gate(input: BufferIndex, output: BufferIndex) {
        let width = engine.buffers[output.value].width
        forEachRow(of: output) { row in
            let gate = floats(input, row: row)
            writeRow(output, row: row) { kernels.silu_gate(gate, gate + width, width, $0) }
        }
    }

    func selectRows(input: BufferIndex, output: BufferIndex) {
        let rowBytes = engine.buffers[input.value].stride
        forEachRow(of: output) { row in
            bytes(output, row: row).update(from: bytes(input, row: session.step.selected[row]), count: rowBytes)
        }
    }
}
