import Lowering
import Plans

/// A lowered model and what goes into its plan beside it.
public struct PlanAssembly: Sendable {
    public let lowered: LoweredModel
    /// The compiled tokenizer; empty for a plan without one.
    public let tokenizer: [UInt8]
    public let chatTemplate: [UInt8]
    /// JSON about the plan's origin.
    public let facts: [UInt8]

    public init(lowered: LoweredModel, tokenizer: [UInt8] = [], chatTemplate: [UInt8] = [], facts: [UInt8] = []) {
        self.lowered = lowered
        self.tokenizer = tokenizer
        self.chatTemplate = chatTemplate
        self.facts = facts
    }

    /// Packs the weights and writes the plan file; returns its size in bytes. Nothing is left where it throws.
    public func write(to path: String, progress: Compilation.Progress = { _, _ in }) throws(CompileError) -> Int {
        let end = lowered.program.tensors.last.map { $0.offset + ($0.byteCount ?? 0) } ?? 0
        var writer = try attempt(CompileError.plan) { () throws(PlanError) in
            try PlanWriter(path: path, weightsBytes: end)
        }
        for (tensor, source) in zip(lowered.program.tensors, lowered.tensors) {
            var isFinite = true
            do throws(PlanError) {
                try writer.pad(to: tensor.offset)
                isFinite = try WeightStream.write(source, to: &writer)
            } catch {
                throw .plan(error)
            }
            guard isFinite else { throw .notFinite(tensor: String(decoding: tensor.name, as: UTF8.self)) }
            progress("packing", Double(writer.weightsBytes) / Double(max(1, end)))
        }
        do throws(PlanError) {
            return try writer.finish(
                program: lowered.program, tokenizer: tokenizer, chatTemplate: chatTemplate, facts: facts)
        } catch {
            throw .plan(error)
        }
    }
}
