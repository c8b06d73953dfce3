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

    /// Gives a tensor's final source, just before it is written: tensors come in the order of the program.
    public typealias Resolution = (_ name: String, LoweredTensor) throws(CompileError) -> LoweredTensor

    /// The plan in memory, without what only a file needs.
    public func plan() throws(CompileError) -> Plan {
        let end = weightsBytes
        var damaged: String?
        let plan = try attempt(CompileError.plan) { () throws(PlanError) in
            try Plan(program: lowered.program, weightsBytes: end) { memory in
                for (tensor, source) in zip(lowered.program.tensors, lowered.tensors) {
                    let bytes = memory[tensor.offset..<tensor.offset + (tensor.byteCount ?? 0)]
                    if !WeightStream.write(source, to: UnsafeMutableRawBufferPointer(rebasing: bytes)) {
                        damaged = String(decoding: tensor.name, as: UTF8.self)
                    }
                }
            }
        }
        if let damaged { throw .notFinite(tensor: damaged) }
        return plan
    }

    /// The size of the plan file.
    public func byteCount() throws(CompileError) -> Int {
        try attempt(CompileError.plan) { () throws(PlanError) in
            try PlanWriter.byteCount(
                weightsBytes: weightsBytes, program: lowered.program, tokenizer: tokenizer, chatTemplate: chatTemplate,
                facts: facts)
        }
    }

    private var weightsBytes: Int {
        lowered.program.tensors.last.map { $0.offset + ($0.byteCount ?? 0) } ?? 0
    }

    /// Packs the weights and writes the plan file; returns its size in bytes. Nothing is left where it throws.
    public func write(
        to path: String, progress: Compilation.Progress = { _, _ in }, resolving resolve: Resolution = { $1 }
    ) throws(CompileError) -> Int {
        let end = weightsBytes
        var writer = try attempt(CompileError.plan) { () throws(PlanError) in
            try PlanWriter(path: path, weightsBytes: end)
        }
        for (tensor, source) in zip(lowered.program.tensors, lowered.tensors) {
            let name = String(decoding: tensor.name, as: UTF8.self)
            let source = try resolve(name, source)
            var isFinite = true
            do throws(PlanError) {
                try writer.pad(to: tensor.offset)
                isFinite = try WeightStream.write(source, to: &writer)
            } catch {
                throw .plan(error)
            }
            guard isFinite else { throw .notFinite(tensor: name) }
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
