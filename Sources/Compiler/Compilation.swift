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
        let origin = try SourceModel(source)
        var shared = origin.model
        var packed: [LayerTensor: PackedMatrix] = [:]
        var reports: [PassReport] = []
        var sharingReport: SharingReport?
        var linearizationReport: LinearizationReport?
        // With a target every matrix is rounded against what it reads.
        let fittedPrecision = options.quantization == nil ? options.precision : .f32
        // First of all: what is left out has no say in any other pass.
        if let adapter = options.adapter {
            let adapted = try AdaptedModel(
                shared, adapter: adapter, calibration: options.calibration, tokenizer: origin.tokenizer,
                progress: progress)
            shared = adapted.model
            reports += adapted.passReports
            (sharingReport, linearizationReport) = (adapted.sharing, adapted.linearization)
        }
        if let sharing = options.sharing {
            let plan = try SharingPlan(
                shared, options: sharing, precision: fittedPrecision,
                calibration: options.calibration, tokenizer: origin.tokenizer, progress: progress)
            (shared, packed) = (plan.model, plan.packed)
            reports.append(plan.passReport)
            sharingReport = plan.report
        }
        if let linearization = options.linearization {
            let plan = try LinearizationPlan(
                shared, of: origin.model, options: linearization, precision: fittedPrecision, packed: packed,
                calibration: options.calibration, tokenizer: origin.tokenizer, progress: progress)
            (shared, packed) = (plan.model, plan.packed)
            reports.append(plan.passReport)
            linearizationReport = plan.report
        }
        if let masks = options.masks {
            let masked = try MaskedModel(shared, masks)
            shared = masked.model
            reports.append(masked.passReport)
        }
        var skipped: Set<Sublayer> = []
        if options.findsSkips {
            let plan = try SkipPlan(
                shared, calibration: options.calibration, tokenizer: origin.tokenizer, progress: progress)
            skipped = plan.sublayers
            reports.append(plan.passReport)
        }
        let folding = FoldNorms(widensMatrices: options.precision == .f32).apply(to: shared)
        let model = folding.model
        reports.append(folding.report)
        let cuts = options.quantization == nil ? [] : model.vocabularyPieces.cuts
        func assembly(_ model: Model, _ choices: [String: MatrixChoice] = [:]) throws(CompileError) -> PlanAssembly {
            let lowered = try attempt(CompileError.lowering) { () throws(LoweringError) in
                try ModelLowering(
                    precision: options.precision, choices: choices, vocabularyCuts: cuts, skipped: skipped
                ).lower(model)
            }
            return PlanAssembly(
                lowered: lowered, tokenizer: origin.tokenizer, chatTemplate: origin.chatTemplate,
                facts: facts(model: model, passes: reports))
        }
        let bytes: Int
        var choices: [String] = []
        var quantized: QuantizationReport?
        if let quantization = options.quantization {
            // The facts are part of the size, so they cannot tell what was chosen for it.
            reports.append(PassReport(name: "quantize", summary: quantization.summary))
            let plan = try QuantizationPlan(
                model, options: quantization, calibration: options.calibration, tokenizer: origin.tokenizer,
                progress: { progress($0, $1 * Compilation.measuringShare) },
                size: { model, choices throws(CompileError) in try assembly(model, choices).byteCount() })
            choices = ["\(plan.equalization.name): \(plan.equalization.summary)", "choices: \(plan.summary)"]
            let quantizer = MeasuredQuantization(plan, rounding: quantization.rounding)
            bytes = try assembly(plan.model, plan.optionsByName.mapValues { .packing($0.packing) }).write(
                to: destination,
                progress: { _, share in
                    progress("quantizing", Compilation.measuringShare + share * (1 - Compilation.measuringShare))
                },
                resolving: quantizer.resolve)
            progress("comparing", 1)
            quantized = QuantizationReport(
                plan: plan, outcomes: quantizer.outcomes, measurement: try quantizer.measure(),
                target: quantization.summary, planBytes: bytes,
                bitsPerWeight: 8 * Double(bytes) / Double(max(1, model.weightCount)))
        } else {
            let choices = packed.map { ($0.matrix.tensorName(layer: $0.layer), MatrixChoice.packed($1)) }
            bytes = try assembly(model, Dictionary(uniqueKeysWithValues: choices)).write(
                to: destination, progress: progress)
        }
        try origin.checkUnchanged()
        return CompileReport(
            planBytes: bytes, seconds: (ContinuousClock.now - start).inSeconds,
            peakMemoryBytes: ProcessMemory.peakBytes,
            bitsPerWeight: 8 * Double(bytes) / Double(max(1, model.weightCount)),
            passes: reports.map { "\($0.name): \($0.summary)" }
                + (sharingReport?.measurement.map { ["shared: \($0.summary)"] } ?? [])
                + (linearizationReport.map { ["linearized: \($0.measurement.summary)"] } ?? [])
                + choices + (quantized.map { ["measured: \($0.summary)"] } ?? []),
            quantization: quantized, sharing: sharingReport, linearization: linearizationReport)
    }

    /// The share of a measured compile's time that goes by before the first matrix is quantized.
    private static let measuringShare = 0.3

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
}

extension Duration {
    /// The duration as seconds.
    public var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
