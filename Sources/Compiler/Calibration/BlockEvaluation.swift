import Lowering
import Models
import Plans
import Runtime

/// One layer of a model as a program of its own, run over hidden states: so calibration needs the memory of a layer, not
/// of a model.
final class BlockEvaluation {
    private let session: Session
    /// What each matrix reads, where it is still float32.
    private let inputs: [(buffer: BufferIndex, matrix: LayerMatrix)]
    /// The residual stream behind the layer: its last state during a step.
    private let result: BufferIndex

    /// Every matrix is float32 but those in `packed`; keys and values are kept as `cache`, or in float32.
    init(
        _ block: Block, of model: Model, packed: [LayerMatrix: PackedMatrix] = [:], chunkLength: Int,
        cache: CacheElement = .float32
    ) throws(CompileError) {
        var single = Model(vectorsOf: model, contextLength: chunkLength)
        single.blocks = [block]
        var choices = try MatrixChoice.zeroRow(for: single)
        for (matrix, bytes) in packed { choices[matrix.tensorName(layer: 0)] = .packed(bytes) }
        let program = try InMemoryProgram(single, choices: choices, rows: chunkLength)
        let names = program.names
        inputs = LayerMatrix.allCases.compactMap { matrix in names[matrix.inputName(layer: 0)].map { ($0, matrix) } }
        guard let result = names["head.hidden"] else { throw .calibration(.noRows) }
        self.result = result
        session = try program.session(cache: cache)
    }

    /// Runs the layer over rows `range` of `states`, as one sequence from its beginning: at most the chunk's length.
    /// `output` receives the same rows behind the layer; `observe` is shown what each float32 matrix reads.
    func run(
        _ states: HiddenStates, rows range: Range<Int>, into output: HiddenStates,
        observing observe: ((LayerMatrix, ObservedBuffer) -> Void)? = nil
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
        _ matrix: LayerMatrix, of states: HiddenStates, rows range: Range<Int>, _ observe: (ObservedBuffer) -> Void
    ) throws(CompileError) {
        guard let input = inputs.first(where: { $0.matrix == matrix }) else { throw .calibration(.noRows) }
        try withoutActuallyEscaping(observe) { observe throws(CompileError) in
            session.observer = { if $0.index == input.buffer { observe($0) } }
            session.lastBuffer = input.buffer
            defer { session.lastBuffer = nil }
            // The body of a program with one layer ends with its attention.
            try runSession(states, range, body: matrix == .projection || matrix == .attentionOutput)
        }
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

/// A model lowered to float32 and packed in memory, all of whose rows can be asked for at once.
struct InMemoryProgram {
    private let plan: Plan
    /// Buffers by name.
    let names: [String: BufferIndex]

    init(
        _ model: Model, choices: [String: MatrixChoice], vocabularyCuts: [Int] = [], rows: Int
    ) throws(CompileError) {
        let lowered = try attempt(CompileError.lowering) { () throws(LoweringError) in
            try ModelLowering(
                precision: .f32, choices: choices, vocabularyCuts: vocabularyCuts, maximumRows: rows,
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
            truncate(to: 0)
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
