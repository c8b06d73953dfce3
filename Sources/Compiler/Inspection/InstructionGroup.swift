import Checkpoints
import Plans

/// Instructions that follow each other and belong to one layer, or to none; layers that do the same with other
/// constants are one group.
public struct InstructionGroup: Sendable {
    /// The layers that this group stands for; nil outside all layers.
    public let layers: ClosedRange<Int>?
    public let isHead: Bool
    /// Place of the first instruction among all, body and head.
    public let start: Int
    /// The instructions of the first of the layers.
    public let instructions: [Instruction]
    /// One line for each of them.
    public let lines: [String]

    /// How many times the instructions are there.
    public var repetitions: Int { layers?.count ?? 1 }

    var title: String { layers.map(layersText) ?? (isHead ? "head" : "body") }

    /// All instructions of a program in order, layers folded where they do the same.
    static func groups(of program: Program) -> [InstructionGroup] {
        let names = ProgramNames(program)
        var groups: [InstructionGroup] = []
        for (instructions, isHead) in [(program.body, false), (program.head, true)] {
            let offset = isHead ? program.body.count : 0
            let layers = instructions.map { isHead ? nil : names.layer(of: $0) }
            var start = 0
            while start < instructions.count {
                let layer = layers[start]
                let end = layers[start...].firstIndex { $0 != layer } ?? instructions.count
                let slice = Array(instructions[start..<end])
                let group = InstructionGroup(
                    layers: layer.map { $0...$0 }, isHead: isHead, start: offset + start, instructions: slice,
                    lines: slice.map { names.line(for: $0, in: layer) })
                if let folded = groups.last?.joined(with: group) {
                    groups[groups.count - 1] = folded
                } else {
                    groups.append(group)
                }
                start = end
            }
        }
        return groups
    }

    /// Both groups as one, or nil where they are not neighbouring layers that do the same.
    private func joined(with next: InstructionGroup) -> InstructionGroup? {
        guard let layers, let nextLayers = next.layers, layers.upperBound + 1 == nextLayers.lowerBound,
            lines == next.lines
        else { return nil }
        return InstructionGroup(
            layers: layers.lowerBound...nextLayers.upperBound, isHead: isHead, start: start,
            instructions: instructions, lines: lines)
    }
}

/// The names of a program's parts as text that is safe to print.
struct ProgramNames {
    let program: Program
    let buffers: [LayerName]
    let tensors: [LayerName]

    init(_ program: Program) {
        self.program = program
        buffers = program.buffers.map { LayerName(oneLine(String(decoding: $0.name, as: UTF8.self))) }
        tensors = program.tensors.map { LayerName(oneLine(String(decoding: $0.name, as: UTF8.self))) }
    }

    /// The layer that an instruction works for: that of the first constant or buffer which has one.
    func layer(of instruction: Instruction) -> Int? {
        for operand in InstructionOutline(instruction).operands {
            switch operand.operand {
            case .buffer(let index): if let layer = buffers[index.value].layer { return layer }
            case .tensor(let index): if let layer = tensors[index.value].layer { return layer }
            case .state, .donor, .heads, .count, .number, .flag: break
            }
        }
        return nil
    }

    /// The name of a buffer; inside `layer`, that layer's own names are short.
    func buffer(_ index: BufferIndex, in layer: Int?) -> String { text(buffers[index.value], in: layer) }

    func tensor(_ index: TensorIndex, in layer: Int?) -> String { text(tensors[index.value], in: layer) }

    private func text(_ name: LayerName, in layer: Int?) -> String {
        name.layer == layer ? name.part : name.full
    }
}
