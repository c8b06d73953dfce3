import Lowering
import Models
import Plans
import Runtime

/// Some layers of a model as a program of their own, run over hidden states: so calibration needs the memory of a layer, or
/// of those that share attention weights, not of a model.
final class SpanEvaluation {
    private let session: Session
    private let lastLayer: Int
    /// What each matrix reads, where it is still float32.
    private let inputs: [(buffer: BufferIndex, matrix: LayerTensor)]
    /// The residual stream behind the layers: its last state during a step.
    private let result: BufferIndex

    /// Every matrix is float32 but those in `packed`; keys and values are kept as `cache`, or in float32. `layers` is not
    /// empty, and has the donors of its receivers.
    convenience init(
        _ layers: Range<Int>, of model: Model, packed: [LayerTensor: PackedMatrix] = [:], chunkLength: Int,
        cache: CacheElement = .float32
    ) throws(CompileError) {
        try self.init(
            layers, of: model, precision: .f32, choices: packed.mapValues { .packed($0) }, chunkLength: chunkLength,
            cache: cache)
    }

    /// Matrices, keys and values are as a plan of this precision has them, those in `packed` as they are there; but `matrix` of
    /// the last layer is float32, so that what it reads can be seen.
    convenience init(
        _ layers: Range<Int>, of model: Model, precision: WeightPrecision, packed: [LayerTensor: PackedMatrix] = [:],
        seeing matrix: LayerMatrix? = nil, chunkLength: Int
    ) throws(CompileError) {
        var choices = packed.mapValues { MatrixChoice.packed($0) }
        if let matrix { choices[LayerTensor(layer: layers.upperBound - 1, matrix: matrix)] = .packing(.float32) }
        try self.init(
            layers, of: model, precision: precision, choices: choices, chunkLength: chunkLength,
            cache: precision.cacheElement)
    }

    private init(
        _ layers: Range<Int>, of model: Model, precision: WeightPrecision, choices: [LayerTensor: MatrixChoice],
        chunkLength: Int, cache: CacheElement
    ) throws(CompileError) {
        var part = Model(vectorsOf: model, contextLength: chunkLength)
        part.blocks = model.blocks[layers].map { $0.movingDonor(by: -layers.lowerBound) }
        lastLayer = layers.upperBound - 1
        var named = try MatrixChoice.zeroRow(for: part)
        for (matrix, choice) in choices where layers.contains(matrix.layer) {
            named[matrix.matrix.tensorName(layer: matrix.layer - layers.lowerBound)] = choice
        }
        let program = try InMemoryProgram(part, precision: precision, choices: named, rows: chunkLength)
        let names = program.names
        inputs = layers.flatMap { layer in
            LayerMatrix.allCases.compactMap { matrix in
                names[matrix.inputName(layer: layer - layers.lowerBound)].map {
                    ($0, LayerTensor(layer: layer, matrix: matrix))
                }
            }
        }
        guard let result = names["head.hidden"] else { throw .calibration(.noRows) }
        self.result = result
        session = try program.session(cache: cache)
    }

    /// Runs the layers over rows `range` of `states`, as one sequence from its beginning: at most the chunk's length.
    /// `output` receives the same rows behind the last layer; `observe` is shown what each float32 matrix reads.
    func run(
        _ states: HiddenStates, rows range: Range<Int>, into output: HiddenStates,
        observing observe: ((LayerTensor, ObservedBuffer) -> Void)? = nil
    ) throws(CompileError) {
        session.observer = { [inputs, result] seen in
            if let observe, let input = inputs.first(where: { $0.buffer == seen.index }) {
                observe(input.matrix, seen)
            }
            guard seen.index == result else { return }
            for (index, row) in range.enumerated() {
                if let values = seen.row(index) { output.set(row, to: values) }
            }
        }
        try runSession(states, range)
    }

    /// Shows what one matrix, which is float32, reads for rows `range`, and runs no further.
    func observe(
        _ matrix: LayerTensor, of states: HiddenStates, rows range: Range<Int>, _ observe: (ObservedBuffer) -> Void
    ) throws(CompileError) {
        guard let input = inputs.first(where: { $0.matrix == matrix }) else { throw .calibration(.noRows) }
        try withoutActuallyEscaping(observe) { observe throws(CompileError) in
            session.observer = { if $0.index == input.buffer { observe($0) } }
            session.lastBuffer = input.buffer
            defer { session.lastBuffer = nil }
            // The body of a program ends with the attention of its last layer.
            let isInBody =
                matrix.layer < lastLayer || matrix.matrix == .projection || matrix.matrix == .attentionOutput
            try runSession(states, range, body: isInBody)
        }
    }

    /// The residual stream behind the attention of the last layer, for rows `range` of `states`; its feed-forward does not run.
    func behindAttention(_ states: HiddenStates, rows range: Range<Int>) throws(CompileError) -> HiddenStates {
        let last = LayerTensor(layer: lastLayer, matrix: .gateUp)
        guard let input = inputs.first(where: { $0.matrix == last }) else { throw .calibration(.noRows) }
        let behind = HiddenStates(count: range.count, width: states.width)
        session.observer = { [result] in if $0.index == result { behind.set(to: $0) } }
        session.lastBuffer = input.buffer
        defer { session.lastBuffer = nil }
        try runSession(states, range)
        return behind
    }

    /// Runs the layers over rows `range` of `states`, and keeps what the last one of them does, as far as its matrices are float32.
    func trace(_ states: HiddenStates, rows range: Range<Int>) throws(CompileError) -> LayerTrace {
        let width = states.width
        var residuals: [HiddenStates] = []
        var read: [LayerMatrix: HiddenStates] = [:]
        session.observer = { [inputs, result, lastLayer] seen in
            func copy() -> HiddenStates {
                let copy = HiddenStates(count: range.count, width: seen.width)
                copy.set(to: seen)
                return copy
            }
            if seen.index == result { residuals.append(copy()) }
            if let input = inputs.first(where: { $0.buffer == seen.index }), input.matrix.layer == lastLayer {
                read[input.matrix.matrix] = copy()
            }
        }
        try runSession(states, range)
        // The head selects the rows, then attention and feed-forward add to them.
        guard residuals.count == 3, residuals.allSatisfy({ $0.width == width }) else { throw .calibration(.noRows) }
        return LayerTrace(before: residuals[0], behindAttention: residuals[1], behind: residuals[2], read: read)
    }

    private func runSession(
        _ states: HiddenStates, _ range: Range<Int>, body isBody: Bool = false
    ) throws(CompileError) {
        defer { session.observer = nil }
        try session.runThrough(states, rows: range)
        if isBody { return }
        _ = try attempt(CompileError.runtime) { () throws(RuntimeError) in
            try session.logits(of: Array(range.indices.map { $0 - range.lowerBound }))
        }
    }
}

/// What one layer does to the rows of a chunk.
struct LayerTrace {
    /// The residual stream before the layer, behind its attention, and behind it.
    let before: HiddenStates
    let behindAttention: HiddenStates
    let behind: HiddenStates
    /// What its float32 matrices read.
    let read: [LayerMatrix: HiddenStates]
}

/// A model lowered and packed in memory, all of whose rows can be asked for at once.
struct InMemoryProgram {
    private let plan: Plan
    /// Buffers by name.
    let names: [String: BufferIndex]

    init(
        _ model: Model, precision: WeightPrecision = .f32, choices: [String: MatrixChoice], vocabularyCuts: [Int] = [],
        rows: Int
    ) throws(CompileError) {
        let lowered = try attempt(CompileError.lowering) { () throws(LoweringError) in
            try ModelLowering(
                precision: precision, choices: choices, vocabularyCuts: vocabularyCuts, maximumRows: rows,
                maximumOutputs: rows
            ).lower(model)
        }
        plan = try PlanAssembly(lowered: lowered).plan()
        var names: [String: BufferIndex] = [:]
        for (index, buffer) in lowered.program.buffers.enumerated() {
            names[String(decoding: buffer.name, as: UTF8.self)] = BufferIndex(index)
        }
        self.names = names
    }

    func session(cache: CacheElement) throws(CompileError) -> Session {
        try attempt(CompileError.runtime) { () throws(RuntimeError) in
            try Engine(plan: plan).makeSession(cache: cache)
        }
    }
}

extension Session {
    /// Evaluates rows of hidden states as one sequence; what earlier ones left is forgotten.
    func runThrough(_ states: HiddenStates, rows range: Range<Int>) throws(CompileError) {
        try attempt(CompileError.runtime) { () throws(RuntimeError) in
            reset()
            var rows: [Row] = []
            for (index, row) in range.enumerated() {
                try setEmbedding(index, to: states[row])
                rows.append(
                    Row(input: .embedding(index), position: UInt32(index), parent: index == 0 ? nil : index - 1))
            }
            try evaluate(rows)
        }
    }
}
