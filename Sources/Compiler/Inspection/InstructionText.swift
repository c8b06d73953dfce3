import Plans

extension ProgramNames {
    /// One line: operation, what it reads, what it writes, its constants and numbers.
    func line(for instruction: Instruction, in layer: Int?) -> String {
        let outline = InstructionOutline(instruction)
        let uses = instruction.bufferUses
        var text = outline.operation + String(repeating: " ", count: max(1, 22 - outline.operation.count))
        let reads = uses.reads.map { shaped($0, in: layer) }.joined(separator: ", ")
        if !reads.isEmpty { text += "\(reads) " }
        if let output = uses.writes ?? uses.updates {
            text += (instruction.accumulates ? "-> added to " : "-> ") + shaped(output, in: layer)
        }
        for detail in details(of: instruction, in: layer) { text += "; \(detail)" }
        return text
    }

    /// Constants, states and numbers of an instruction that say something: defaults are left out.
    func details(of instruction: Instruction, in layer: Int?) -> [String] {
        InstructionOutline(instruction).operands.compactMap { part in
            switch part.operand {
            case .buffer, .flag: nil
            case .tensor(let index): "\(part.label) \(tensor(index, in: layer)) \(layoutText(index))"
            case .state(let index): stateText(index)
            case .donor(let index): "weights of state \(index.value)"
            case .heads(let map) where map == Array(map.indices): nil
            case .heads(let map): "\(part.label) \(map.map(String.init).joined(separator: " "))"
            case .count(0): nil
            case .count(let count): "\(part.label) \(count)"
            case .number(let number): "\(part.label) \(number)"
            }
        }
    }

    /// A buffer with its width and, unless that is float32, its element.
    func shaped(_ index: BufferIndex, in layer: Int?) -> String {
        "\(buffer(index, in: layer)) \(program.buffers[index.value].shapeText)"
    }

    /// A tensor's packing, shape and bytes.
    func layoutText(_ index: TensorIndex) -> String {
        let tensor = program.tensors[index.value]
        return "\(tensor.layout.text), \((tensor.byteCount ?? 0).asBytes)"
    }

    func stateText(_ index: StateIndex) -> String {
        let state = program.states[index.value]
        let kind = "\(state.kindName), \(state.heads) heads of \(state.dimensions), \(state.element.name)"
        guard let window = program.windows[index.value] else { return kind }
        return "\(kind), of the last \(window.length) positions"
            + (window.sinks > 0 ? " and \(window.sinks) sinks" : "")
            + (state.sums.map { ", sums of \($0.features) features before them" } ?? "")
    }
}

extension Instruction {
    /// Whether the output holds a sum of what it held before.
    fileprivate var accumulates: Bool {
        switch self {
        case .multiply(_, _, _, _, _, let accumulate), .multiplyMasks(_, _, _, let accumulate): accumulate
        default: false
        }
    }
}

extension Buffer {
    var shapeText: String { element == .float32 ? "[\(width)]" : "[\(width) int8]" }
}

extension Buffer.Element {
    /// The element's name in formats/plan.md.
    var name: String {
        switch self {
        case .float32: "float32"
        case .quantized: "quantized"
        }
    }
}

extension MixerState {
    /// The kind's name in formats/plan.md.
    var kindName: String {
        switch self {
        case .keysAndValues: "keys and values"
        case .values: "values"
        case .sums: "keys, values and sums"
        }
    }
}

extension CacheElement {
    /// The element's name in formats/plan.md.
    var name: String {
        switch self {
        case .float16: "f16"
        case .float32: "f32"
        case .int8: "int8"
        }
    }
}

extension Tensor.Layout {
    /// Packing and shape.
    var text: String {
        switch self {
        case .vector(let count): "vector \(count)"
        case .matrix(let packing, let rows, let columns): "\(packing.name) \(rows) x \(columns)"
        }
    }

    /// Weights that the tensor holds, without padding.
    var elementCount: Int {
        switch self {
        case .vector(let count): count
        case .matrix(_, let rows, let columns): rows * columns
        }
    }
}
