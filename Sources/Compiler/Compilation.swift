import Checkpoints
import Lowering
import Models
import Passes
import Plans
import Runtime

/// The road from a checkpoint to a plan file: import, passes, lowering, packing, writing.
public struct Compilation: Sendable {
    /// Called with what is being done and the share that is done, 0...1.
    public typealias Progress = (_ phase: String, _ share: Double) -> Void

    public let source: String
    public let destination: String
    public let options: CompileOptions

    public init(source: String, destination: String, options: CompileOptions = CompileOptions()) {
        self.source = source
        self.destination = destination
        self.options = options
    }

    /// Writes the plan; nothing is left at the destination's path where it throws. Equal checkpoints and options give
    /// equal bytes.
    public func run(progress: Progress = { _, _ in }) throws(CompileError) -> CompileReport {
        let start = ContinuousClock.now
        progress("reading", 0)
        let checkpoint = try attempt(CompileError.checkpoint) { () throws(CheckpointError) in
            try Checkpoint.open(source)
        }
        let imported = try attempt(CompileError.model) { () throws(ModelError) in try Model(checkpoint) }
        let definition = try attempt(CompileError.checkpoint) { () throws(CheckpointError) in
            try TokenizerDefinition(checkpoint)
        }
        let tokenizer = try attempt(CompileError.tokenizer) { () throws(TokenizerLoweringError) in
            try TokenizerCompiler.section(for: definition)
        }
        guard definition.vocabulary.count <= imported.vocabularySize else {
            throw .vocabularyMismatch(tokenizer: definition.vocabulary.count, model: imported.vocabularySize)
        }
        let folding = FoldNorms(widensMatrices: options.precision == .f32).apply(to: imported)
        let model = folding.model
        let lowered = try attempt(CompileError.lowering) { () throws(LoweringError) in
            try ModelLowering(precision: options.precision).lower(model)
        }
        let assembly = PlanAssembly(
            lowered: lowered, tokenizer: tokenizer, chatTemplate: Array((definition.chatTemplate ?? "").utf8),
            facts: facts(model: model, passes: [folding.report]))
        let bytes = try assembly.write(to: destination, progress: progress)
        try attempt(CompileError.checkpoint) { () throws(CheckpointError) in try checkpoint.checkUnchanged() }
        return CompileReport(
            planBytes: bytes, seconds: (ContinuousClock.now - start).inSeconds,
            peakMemoryBytes: ProcessMemory.peakBytes, bitsPerWeight: bitsPerWeight(lowered.program),
            passes: [folding.report].map { "\($0.name): \($0.summary)" })
    }

    /// What `inspect` tells about the plan's origin; it holds nothing that differs between equal compiles.
    private func facts(model: Model, passes: [PassReport]) -> [UInt8] {
        JSON.members([
            ("architecture", .string(model.architecture)), ("compiler", .string("lathe \(Compilation.version)")),
            (
                "passes",
                .array(
                    passes.map { .members([("name", .string($0.name)), ("summary", .string($0.summary))]) })
            ),
            ("weights", .string(options.precision.rawValue)),
        ]).encoded()
    }

    /// The version that plans name as their compiler.
    public static let version = "0.1.0"

    private func bitsPerWeight(_ program: Program) -> Double {
        var (bits, weights) = (0.0, 0.0)
        for tensor in program.tensors {
            guard case .matrix(_, let rows, let columns) = tensor.layout else { continue }
            bits += 8 * Double(tensor.byteCount ?? 0)
            weights += Double(rows) * Double(columns)
        }
        return bits / max(1, weights)
    }
}

extension Duration {
    /// The duration as seconds.
    public var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
