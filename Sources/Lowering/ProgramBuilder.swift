import Models
import Plans

/// A matrix of the program, and how it is packed.
struct PackedTensor {
    let tensor: TensorIndex
    let packing: Packing
}

/// Collects tensors, buffers and instructions while a model is lowered.
struct ProgramBuilder {
    let precision: WeightPrecision
    let choices: [String: MatrixChoice]
    private(set) var tensors: [Tensor] = []
    private(set) var sources: [LoweredTensor] = []
    private(set) var buffers: [Buffer] = []
    private(set) var states: [MixerState] = []
    private(set) var body: [Instruction] = []
    private(set) var head: [Instruction] = []
    /// Where instructions go and whose rows buffers get: the step's for the body, those asked for in the head.
    private(set) var rows = Buffer.Rows.step
    private var weightBytes = 0

    init(precision: WeightPrecision, choices: [String: MatrixChoice]) {
        self.precision = precision
        self.choices = choices
    }

    /// The packing of the stacked matrices that a tensor holds.
    func packing(of name: String, _ weight: Weight) -> Packing {
        choices[name]?.packing ?? precision.packing(for: weight)
    }

    /// Adds the tensor of stacked matrices. Throws `tooLarge`.
    mutating func matrix(_ name: String, _ packing: Packing, stack: [Weight]) throws(LoweringError) -> TensorIndex {
        if case .packed(let matrix) = choices[name] { return try tensor(name, .packed(matrix)) }
        return try tensor(name, .matrix(packing, stack: stack))
    }

    /// Adds the tensors of the pieces of embedding or head. Throws `tooLarge`.
    mutating func matrices(_ weight: Weight, _ pieces: VocabularyPieces) throws(LoweringError) -> [PackedTensor] {
        var tensors: [PackedTensor] = []
        for (index, range) in pieces.ranges.enumerated() {
            let name = pieces.name(of: weight.name, piece: index)
            let piece = pieces.count == 1 ? weight : weight.slice(rows: range)
            let packing = packing(of: name, piece)
            tensors.append(PackedTensor(tensor: try matrix(name, packing, stack: [piece]), packing: packing))
        }
        return tensors
    }

    /// Adds a tensor behind the last one. Throws `tooLarge`.
    mutating func tensor(_ name: String, _ source: LoweredTensor) throws(LoweringError) -> TensorIndex {
        let tensor = Tensor(name: Array(name.utf8), layout: source.layout, offset: weightBytes)
        guard let bytes = tensor.byteCount, weightBytes < Int.max / 2 - bytes else { throw .tooLarge(tensor: name) }
        weightBytes = (weightBytes + bytes + 63) / 64 * 64
        tensors.append(tensor)
        sources.append(source)
        return TensorIndex(tensors.count - 1)
    }

    /// Adds a vector where there is one.
    mutating func vector(_ name: String, _ values: [Float]?) throws(LoweringError) -> TensorIndex? {
        guard let values else { return nil }
        return try tensor(name, .vector(values))
    }

    /// Adds an instruction to the phase under way.
    mutating func append(_ instruction: Instruction) {
        switch rows {
        case .step: body.append(instruction)
        case .outputs: head.append(instruction)
        }
    }

    /// Ends the body: what follows is computed for the rows whose logits are asked for alone. Returns the buffers that
    /// stand for the given ones there.
    mutating func beginHead(selecting inputs: [BufferIndex]) -> [BufferIndex] {
        rows = .outputs
        return inputs.map { input in
            let source = buffers[input.value]
            let selected = buffer(
                "head.\(String(decoding: source.name, as: UTF8.self))", width: source.width, element: source.element)
            append(.selectRows(input: input, output: selected))
            return selected
        }
    }

    mutating func buffer(_ name: String, width: Int, element: Buffer.Element = .float32) -> BufferIndex {
        buffers.append(Buffer(name: Array(name.utf8), element: element, rows: rows, width: width, offset: 0))
        return BufferIndex(buffers.count - 1)
    }

    mutating func state(_ state: MixerState) -> StateIndex {
        states.append(state)
        return StateIndex(states.count - 1)
    }

    /// Matrices that read one input, as few packed streams as their packings allow, in order: one where a choice was made
    /// for the tensor that would hold them all.
    func streams(_ matrices: [Linear], name: String) -> [(packing: Packing, matrices: [Linear])] {
        if let choice = choices[name] { return [(choice.packing, matrices)] }
        var streams: [(packing: Packing, matrices: [Linear])] = []
        for matrix in matrices {
            let packing = precision.packing(for: matrix.weight)
            if let last = streams.last, last.packing == packing {
                streams[streams.count - 1].matrices.append(matrix)
            } else {
                streams.append((packing, [matrix]))
            }
        }
        return streams
    }
}
