/// Bytes of the program and tensors sections (formats/plan.md, "Program" and "Tensors").
///
/// The program has been verified, so every number fits its field.
enum ProgramEncoder {
    /// The section of instructions that drafts can do without; nothing where there are none.
    static func encode(skipped: [Int]) -> [UInt8] {
        var writer = ByteWriter()
        for index in skipped { writer.number32(index) }
        return writer.bytes
    }

    static func encode(_ program: Program) -> [UInt8] {
        var writer = ByteWriter()
        let names = program.buffers.reduce(0) { $0 + $1.name.count }
        writer.number32(program.buffers.count)
        writer.number32(program.states.count)
        writer.number32(program.body.count)
        writer.number32(program.head.count)
        writer.number32(program.logits.value)
        writer.number32(program.maximumRows)
        writer.number32(program.maximumOutputs)
        writer.number32(program.vocabularySize)
        writer.number64(program.contextLength)
        writer.number64(program.arenaBytes)
        writer.number32(names)
        let headMaps = (program.body + program.head).flatMap { instruction -> [Int] in
            if case .attendShared(let attention) = instruction { attention.headMap } else { [] }
        }
        writer.number32(headMaps.count)
        writer.zeros(8)
        for buffer in program.buffers {
            writer.unsigned(buffer.element.rawValue)
            writer.unsigned(buffer.rows.rawValue)
            writer.number64(buffer.width)
            writer.number64(buffer.offset)
            writer.number32(buffer.name.count)
            writer.zeros(4)
        }
        for state in program.states {
            let kind =
                switch state {
                case .keysAndValues: ProgramDecoder.keysAndValues
                case .values: ProgramDecoder.values
                case .sums: ProgramDecoder.sums
                }
            writer.unsigned(kind)
            writer.number32(state.heads)
            writer.number32(state.dimensions)
            writer.unsigned(state.element.rawValue)
            writer.number32(state.sums?.features ?? 0)
            writer.number32(state.sums?.areWeighed == true ? 1 : 0)
            writer.zeros(8)
        }
        for instruction in program.body { instruction.encode(to: &writer) }
        for instruction in program.head { instruction.encode(to: &writer) }
        for donorHead in headMaps { writer.number32(donorHead) }
        for buffer in program.buffers { writer.append(buffer.name) }
        return writer.bytes
    }

    static func encode(_ tensors: [Tensor]) -> [UInt8] {
        var writer = ByteWriter()
        writer.number32(tensors.count)
        writer.number32(tensors.reduce(0) { $0 + $1.name.count })
        writer.zeros(8)
        for tensor in tensors {
            let group: Int
            switch tensor.layout {
            case .vector(let count):
                group = 0
                writer.unsigned(ProgramDecoder.vector)
                writer.number32(0)
                writer.number64(1)
                writer.number64(count)
            case .matrix(let packing, let rows, let columns):
                writer.unsigned(ProgramDecoder.matrix)
                writer.unsigned(packing.number)
                writer.number64(rows)
                writer.number64(columns)
                group = packing.groupColumns
            }
            writer.number64(tensor.offset)
            writer.number32(tensor.name.count)
            writer.number32(group)
        }
        for tensor in tensors { writer.append(tensor.name) }
        return writer.bytes
    }
}
