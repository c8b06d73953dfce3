import Models
import Plans

/// Turns a model into a program: fuses what reads the same input, chooses packings, plans the memory.
public struct ModelLowering: Sendable {
    /// The packing of every matrix that `choices` does not name.
    public let precision: WeightPrecision
    /// By the names of the program's tensors: a layer's "attention.projected", "attention.output", "feed_forward.gate_up"
    /// and "feed_forward.down", and the names of embedding and head, or of their pieces (`VocabularyPieces.name`).
    public let choices: [String: MatrixChoice]
    /// Where embedding and head are cut into pieces, as `VocabularyPieces` takes it for the vocabulary of the model.
    public let vocabularyCuts: [Int]
    /// What drafts do without; never of the last layer, parts of which the head is.
    public let skipped: Set<Sublayer>
    /// Rows of one step at the most: how much of a prompt is evaluated at once.
    public let maximumRows: Int
    /// Rows whose logits are computed at once at the most.
    public let maximumOutputs: Int

    public init(
        precision: WeightPrecision, choices: [String: MatrixChoice] = [:], vocabularyCuts: [Int] = [],
        skipped: Set<Sublayer> = [], maximumRows: Int = 256, maximumOutputs: Int = 16
    ) {
        self.precision = precision
        self.choices = choices
        self.vocabularyCuts = vocabularyCuts
        self.skipped = skipped
        self.maximumRows = maximumRows
        self.maximumOutputs = min(maximumOutputs, maximumRows)
    }

    /// The program, with the sources of its tensors in the order of their offsets. Throws `LoweringError`.
    public func lower(_ model: Model) throws(LoweringError) -> LoweredModel {
        var builder = ProgramBuilder(precision: precision, choices: choices)
        let pieces = VocabularyPieces(vocabularySize: model.vocabularySize, cuts: vocabularyCuts)
        let isTied = model.head.name == model.embedding.name
        let embedding = try builder.matrices(model.embedding, pieces)
        let frequencies = try builder.tensor("rotary.frequencies", .vector(model.rotary.frequencies))
        let hidden = builder.buffer("hidden", width: model.hiddenSize)
        let rotary = builder.buffer("rotary", width: 2 * model.rotary.frequencies.count)
        for (table, tokens) in zip(embedding, pieces.ranges) {
            builder.append(.embed(table: table.tensor, first: tokens.lowerBound, output: hidden))
        }
        if let masks = model.maskEmbedding {
            let table = try builder.matrix("masks.embedding", .float16, stack: [masks])
            builder.append(.embed(table: table, first: model.vocabularySize, output: hidden))
        }
        builder.append(.rotaryTable(frequencies: frequencies, factor: model.rotary.factor, output: rotary))
        var residual = hidden
        var donor: Donor?
        var skippedInstructions: [Int] = []
        for (index, block) in model.blocks.enumerated() {
            let begin = builder.body.count
            var place = BlockPlace(name: "layers.\(index)", hidden: hidden, rotary: rotary)
            var mixed: BufferIndex
            let output: Linear
            switch block.mixer {
            case .attention(let attention):
                let lowered = try lower(attention, norm: block.mixerNorm, at: place, into: &builder)
                if attention.hasWeights { donor = Donor(layer: index, state: lowered.state) }
                (mixed, output) = (lowered.mixed, attention.output)
            case .sharedAttention(let attention):
                guard let donor, donor.layer == attention.donor else {
                    throw .noDonor(layer: index, donor: attention.donor)
                }
                mixed = try lower(attention, of: donor.state, norm: block.mixerNorm, at: place, into: &builder)
                output = attention.output
            }
            if index == model.blocks.count - 1 {
                // No later layer sees the other rows: the rest of this one is for those whose logits are asked for.
                let selected = builder.beginHead(selecting: [hidden, mixed])
                (place.hidden, mixed) = (selected[0], selected[1])
                residual = place.hidden
            }
            try addProduct(
                output, of: mixed, to: place.hidden, name: "\(place.name).attention.output", into: &builder)
            let middle = builder.body.count
            switch block.feedForward {
            case .gated(let gate, let up, let down):
                try lowerGated(gate, up, down, norm: block.feedForwardNorm, at: place, into: &builder)
            }
            guard index < model.blocks.count - 1 else { continue }
            if skipped.contains(Sublayer(layer: index, part: .mixer)) { skippedInstructions += begin..<middle }
            if skipped.contains(Sublayer(layer: index, part: .feedForward)) {
                skippedInstructions += middle..<builder.body.count
            }
        }
        if model.blocks.isEmpty { residual = builder.beginHead(selecting: [hidden])[0] }
        let logits = try lowerHead(
            model, hidden: residual, pieces: pieces, embedding: isTied ? embedding : nil, into: &builder)
        return try finish(builder, model: model, logits: logits, skipped: skippedInstructions)
    }

    /// A block's names and the buffers that run through all blocks.
    private struct BlockPlace {
        let name: String
        var hidden: BufferIndex
        let rotary: BufferIndex
    }

    /// The last layer that computes attention weights.
    private struct Donor {
        let layer: Int
        let state: StateIndex
    }

    /// Returns the buffer of what the heads return, before the output projection, and the state of keys and values.
    private func lower(
        _ attention: Attention, norm: Norm, at place: BlockPlace, into builder: inout ProgramBuilder
    ) throws(LoweringError) -> (mixed: BufferIndex, state: StateIndex) {
        let name = "\(place.name).attention"
        let projected = try normalizeAndMultiply(
            [attention.query, attention.key, attention.value], norm: norm, input: place.hidden, name: name,
            outputName: "projected", into: &builder)
        let (heads, dimensions) = (attention.keyHeads, attention.dimensions)
        let state: StateIndex
        switch attention.form {
        case .softmax(_, let window):
            let features = window?.distant.map { 2 * $0.keyMap.count / (dimensions * heads) }
            state = builder.state(
                features.map {
                    .sums(
                        heads: heads, dimensions: dimensions, element: precision.cacheElement,
                        FeatureSums(features: $0, areWeighed: true))
                } ?? .keysAndValues(heads: heads, dimensions: dimensions, element: precision.cacheElement))
        case .grouped:
            state = builder.state(
                .sums(
                    heads: heads, dimensions: dimensions, element: precision.cacheElement,
                    FeatureSums(features: dimensions, areWeighed: false)))
        }
        let mixed = self.mixed(
            attention.output, queryHeads: attention.queryHeads, keyHeads: attention.keyHeads, name: name, into: &builder
        )
        let queryNorm = try builder.vector("\(name).query_norm", attention.queryNorm?.values)
        let keyNorm = try builder.vector("\(name).key_norm", attention.keyNorm?.values)
        let epsilon = attention.queryNorm?.epsilon ?? norm.epsilon
        switch attention.form {
        case .softmax(let scale, let window):
            let distant = try window?.distant.map { features throws(LoweringError) in
                try lower(features, scale: scale, dimensions: dimensions, name: name, into: &builder)
            }
            builder.append(
                .attend(
                    SoftmaxAttention(
                        projected: projected, rotary: place.rotary, state: state, queryHeads: attention.queryHeads,
                        queryNorm: queryNorm, keyNorm: keyNorm, epsilon: epsilon, scale: scale,
                        window: window.map {
                            Plans.AttentionWindow(length: $0.length, sinks: $0.sinks, distant: distant)
                        },
                        output: mixed)))
        case .grouped(let grouped):
            let taps = grouped.taps.flatMap { $0 }
            builder.append(
                .attendGrouped(
                    Plans.GroupedAttention(
                        projected: projected, rotary: place.rotary, state: state, queryHeads: attention.queryHeads,
                        queryNorm: queryNorm, keyNorm: keyNorm, epsilon: epsilon, alpha: grouped.alpha,
                        group: grouped.group,
                        convolution: try builder.vector("\(name).convolution", taps.isEmpty ? nil : taps),
                        output: mixed)))
        }
        return (mixed, state)
    }

    /// The sums behind a window. The program has its queries scaled.
    private func lower(
        _ features: DistantFeatures, scale: Float, dimensions: Int, name: String, into builder: inout ProgramBuilder
    ) throws(LoweringError) -> DistantSums {
        func map(_ name: String, _ values: [Float]) throws(LoweringError) -> TensorIndex {
            let matrix = FittedMatrix(
                name: name, rows: values.count / dimensions, columns: dimensions, values: values)
            return try builder.matrix(
                name, precision == .f32 ? .float32 : .float16, stack: [Weight(matrix)])
        }
        var gate = features.gate
        for index in gate.indices where index % (dimensions + 2) >= 2 { gate[index] /= scale }
        return DistantSums(
            block: features.block, queryMap: try map("\(name).query_map", features.queryMap.map { $0 / scale }),
            keyMap: try map("\(name).key_map", features.keyMap),
            gate: try builder.tensor("\(name).gate", .vector(gate)))
    }

    /// The same for attention with the weights of the layer whose state is `donor`: its projection has values alone.
    private func lower(
        _ attention: Models.SharedAttention, of donor: StateIndex, norm: Norm, at place: BlockPlace,
        into builder: inout ProgramBuilder
    ) throws(LoweringError) -> BufferIndex {
        let name = "\(place.name).attention"
        let projected = try normalizeAndMultiply(
            [attention.value], norm: norm, input: place.hidden, name: name, outputName: "projected", into: &builder)
        let state = builder.state(
            .values(heads: attention.keyHeads, dimensions: attention.dimensions, element: precision.cacheElement))
        let mixed = self.mixed(
            attention.output, queryHeads: attention.queryHeads, keyHeads: attention.keyHeads, name: name, into: &builder
        )
        builder.append(
            .attendShared(
                Plans.SharedAttention(
                    projected: projected, state: state, donor: donor, headMap: attention.headMap, output: mixed)))
        return mixed
    }

    /// The buffer of what query heads return: quantized where the output projection wants that, and the query heads of a
    /// key head fill whole groups.
    private func mixed(
        _ output: Linear, queryHeads: Int, keyHeads: Int, name: String, into builder: inout ProgramBuilder
    ) -> BufferIndex {
        let width = output.weight.columns
        let fillsGroups = queryHeads / keyHeads * (width / queryHeads) % Packing.blockColumns == 0
        let packing = builder.packing(of: "\(name).output", output.weight)
        return builder.buffer("\(name).mixed", width: width, element: fillsGroups ? element(for: packing) : .float32)
    }

    private func lowerGated(
        _ gate: Linear, _ up: Linear, _ down: Linear, norm: Norm, at place: BlockPlace,
        into builder: inout ProgramBuilder
    ) throws(LoweringError) {
        let name = "\(place.name).feed_forward"
        let gates = try normalizeAndMultiply(
            [gate, up], norm: norm, input: place.hidden, name: name, outputName: "gate_up", into: &builder)
        let packing = builder.packing(of: "\(name).down", down.weight)
        let gated = builder.buffer("\(name).gated", width: down.weight.columns, element: element(for: packing))
        builder.append(.gate(input: gates, output: gated))
        try addProduct(down, of: gated, to: place.hidden, name: "\(name).down", into: &builder)
    }

    /// `embedding` holds the pieces of the embedding where the head is tied to it.
    private func lowerHead(
        _ model: Model, hidden: BufferIndex, pieces: VocabularyPieces, embedding: [PackedTensor]?,
        into builder: inout ProgramBuilder
    ) throws(LoweringError) -> BufferIndex {
        let weight = try builder.vector("head.norm", model.finalNorm.values)
        let matrices = if let embedding { embedding } else { try builder.matrices(model.head, pieces) }
        let inputs = normalize(
            hidden, weight: weight, epsilon: model.finalNorm.epsilon, name: "head", for: matrices.map(\.packing),
            into: &builder)
        let logits = builder.buffer("logits", width: model.vocabularySize)
        for (matrix, tokens) in zip(matrices, pieces.ranges) {
            guard let normalized = inputs[element(for: matrix.packing)] else { continue }
            builder.append(
                .multiply(
                    input: normalized, weight: matrix.tensor, bias: nil, output: logits, column: tokens.lowerBound,
                    accumulate: false))
        }
        return logits
    }

    /// Normalizes rows once for each kind of input that matrices of the given packings take; returns the buffers by their
    /// elements.
    private func normalize(
        _ input: BufferIndex, weight: TensorIndex?, epsilon: Float, name: String, for packings: [Packing],
        into builder: inout ProgramBuilder
    ) -> [Buffer.Element: BufferIndex] {
        var buffers: [Buffer.Element: BufferIndex] = [:]
        for element in packings.map(element(for:)) where buffers[element] == nil {
            let normalized = builder.buffer(
                "\(name).normalized", width: builder.buffers[input.value].width, element: element)
            builder.append(.normalize(input: input, weight: weight, epsilon: epsilon, output: normalized))
            buffers[element] = normalized
        }
        return buffers
    }

    /// Multiplies the normalized residual stream with matrices that all read it.
    private func normalizeAndMultiply(
        _ matrices: [Linear], norm: Norm, input: BufferIndex, name: String, outputName: String,
        into builder: inout ProgramBuilder
    ) throws(LoweringError) -> BufferIndex {
        let streams = builder.streams(matrices, name: "\(name).\(outputName)")
        let weight = try builder.vector("\(name).norm", norm.values)
        let width = matrices.reduce(0) { $0 + $1.weight.rows }
        let inputs = normalize(
            input, weight: weight, epsilon: norm.epsilon, name: name, for: streams.map(\.packing), into: &builder)
        let output = builder.buffer("\(name).\(outputName)", width: width)
        var column = 0
        for (index, stream) in streams.enumerated() {
            guard let normalized = inputs[element(for: stream.packing)] else { continue }
            let suffix = streams.count > 1 ? ".\(index)" : ""
            let tensor = try builder.matrix(
                "\(name).\(outputName)\(suffix)", stream.packing, stack: stream.matrices.map(\.weight))
            let bias = try stackedBias(stream.matrices, name: "\(name).\(outputName)\(suffix).bias", into: &builder)
            builder.append(
                .multiply(
                    input: normalized, weight: tensor, bias: bias, output: output, column: column,
                    accumulate: false))
            column += stream.matrices.reduce(0) { $0 + $1.weight.rows }
        }
        for element in [Buffer.Element.float32, .quantized] {
            guard let normalized = inputs[element] else { continue }
            try addMaskChanges(
                of: matrices, input: normalized, element: element, output: output, name: "\(name).\(outputName)",
                into: &builder)
            break
        }
        return output
    }

    /// The biases of stacked matrices, zeros where only some have one; nil where none has.
    private func stackedBias(
        _ matrices: [Linear], name: String, into builder: inout ProgramBuilder
    ) throws(LoweringError) -> TensorIndex? {
        guard matrices.contains(where: { $0.bias != nil }) else { return nil }
        let values = matrices.flatMap { matrix in
            matrix.bias?.values() ?? Array(repeating: 0, count: matrix.weight.rows)
        }
        return try builder.tensor(name, .vector(values))
    }

    /// hidden += matrix * input, quantizing the input first where the packing wants that and it is not yet.
    private func addProduct(
        _ matrix: Linear, of input: BufferIndex, to hidden: BufferIndex, name: String,
        into builder: inout ProgramBuilder
    ) throws(LoweringError) {
        let packing = builder.packing(of: name, matrix.weight)
        var input = input
        if !packing.isFloat, builder.buffers[input.value].element == .float32 {
            let quantized = builder.buffer("\(name).input", width: matrix.weight.columns, element: .quantized)
            builder.append(.quantize(input: input, output: quantized))
            input = quantized
        }
        let weight = try builder.matrix(name, packing, stack: [matrix.weight])
        let bias = try builder.vector("\(name).bias", matrix.bias?.values())
        builder.append(
            .multiply(input: input, weight: weight, bias: bias, output: hidden, column: 0, accumulate: true))
        try addMaskChanges(
            of: [matrix], input: input, element: element(for: packing), output: hidden, name: name, into: &builder)
    }

    private func element(for packing: Packing) -> Buffer.Element { packing.isFloat ? .float32 : .quantized }

    private func finish(
        _ builder: ProgramBuilder, model: Model, logits: BufferIndex, skipped: [Int]
    ) throws(LoweringError) -> LoweredModel {
        var program = Program(
            tensors: builder.tensors, buffers: builder.buffers, states: builder.states, body: builder.body,
            head: builder.head, logits: logits, maximumRows: maximumRows, maximumOutputs: maximumOutputs,
            contextLength: model.contextLength, vocabularySize: model.vocabularySize, arenaBytes: 0)
        let plan = try MemoryPlan(program)
        for (index, offset) in plan.offsets.enumerated() { program.buffers[index].offset = offset }
        program.arenaBytes = plan.arenaBytes
        program.skipped = skipped
        return LoweredModel(program: program, tensors: builder.sources)
    }
}
