import Checkpoints
import Compiler
import Foundation
import Lowering
import Models
import Passes
import Plans
import Runtime

/// A checkpoint lowered to a plan in a temporary folder of its own, without a tokenizer.
final class TestModel {
    let plan: Plan
    /// The plan's program and where each of its tensors came from.
    let lowered: LoweredModel
    /// The plan file.
    let path: String
    private let directory: URL

    /// Compiles a checkpoint, the model changed by `adjust` before.
    init(
        _ path: String, precision: WeightPrecision, choices: [String: MatrixChoice] = [:], vocabularyCuts: [Int] = [],
        maximumRows: Int = 128, adjust: (inout Model) throws -> Void = { _ in }
    ) throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "lathe-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let imported = try Model(try Checkpoint.open(path))
        var model = FoldNorms(widensMatrices: precision == .f32).apply(to: imported).model
        try adjust(&model)
        lowered = try ModelLowering(
            precision: precision, choices: choices, vocabularyCuts: vocabularyCuts, maximumRows: maximumRows
        ).lower(model)
        self.path = directory.appending(path: "model.plan").path
        _ = try PlanAssembly(lowered: lowered).write(to: self.path)
        plan = try Plan.open(path: self.path)
    }

    /// The plan file's bytes.
    func bytes() throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: path))) }

    deinit {
        try? FileManager.default.removeItem(at: directory)
    }

    /// The folder or file of a golden checkpoint.
    static func resource(_ name: String) -> String {
        Bundle.module.resourceURL?.appending(path: name).path ?? name
    }

    /// The real model, which `make model` fetches.
    static let realModel = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: ".models/SmolLM2-135M-Instruct.Q4_1.gguf").path

    /// Logits of every position of one sequence, evaluated in steps of `chunk` rows.
    func logits(
        of tokens: [UInt32], chunk: Int? = nil, threads: Int? = nil, instructionSet: InstructionSet? = nil
    ) throws -> [[Float]] {
        let engine = try Engine(plan: plan, threads: threads, instructionSet: instructionSet)
        return try TestModel.logits(of: tokens, session: try engine.makeSession(), chunk: chunk)
    }

    /// As above, continuing `session`.
    static func logits(of tokens: [UInt32], session: Session, chunk: Int? = nil) throws -> [[Float]] {
        let program = session.engine.plan.program
        let chunk = min(chunk ?? tokens.count, program.maximumRows)
        var logits: [[Float]] = []
        for start in stride(from: 0, to: tokens.count, by: chunk) {
            let rows = Row.chain(tokens[start..<min(start + chunk, tokens.count)], after: session.committed)
            try session.evaluate(rows)
            for first in stride(from: 0, to: rows.count, by: program.maximumOutputs) {
                let selected = Array(first..<min(first + program.maximumOutputs, rows.count))
                let result = try session.logits(of: selected)
                for index in selected.indices { logits.append(result.row(index).map(Array.init) ?? []) }
            }
            try session.commit(Array(rows.indices))
        }
        return logits
    }
}
