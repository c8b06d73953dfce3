import Checkpoints
import Compiler
import Foundation
import Lowering
import Models
import Passes
import Plans
import Testing

/// formats/plan_reader.py, written from the format page alone, against a plan of a real model.
@Suite("A second reader agrees about the plan of SmolLM2-135M-Instruct")
struct RealPlanReaderTests {
    private struct Summary: Decodable {
        struct Section: Decodable {
            let kind: String
            let offset: Int
            let storedSize: Int
            let rawSize: Int
            let crc32: UInt32
        }
        struct Tensor: Decodable {
            let name: String
            let rows: Int
            let columns: Int
            let offset: Int
            let bytes: Int
        }
        struct Program: Decodable {
            struct Buffer: Decodable {
                let name: String
                let width: Int
                let offset: Int
                let bytes: Int
            }
            struct Instruction: Decodable { let name: String }
            struct State: Decodable {
                let heads: Int
                let dimensions: Int
            }
            let buffers: [Buffer]
            let states: [State]
            let body: [Instruction]
            let head: [Instruction]
            let contextLength: Int
            let vocabularySize: Int
            let arenaBytes: Int
        }
        let version: String
        let digest: String
        let fileSize: Int
        let sections: [Section]
        let tensors: [Tensor]
        let program: Program
        let chatTemplate: String
    }

    private static let reader = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "formats/plan_reader.py").path

    private static func run(_ arguments: [String]) throws -> Data {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", reader] + arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        return output
    }

    @Test("sections, tensors and program, and rows of weights as the checkpoint holds them")
    func agrees() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "lathe-test-\(UUID().uuidString).plan").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let report = try Compilation(source: TestModel.realModel, destination: path).run()
        let plan = try Plan.open(path: path)
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let summary = try decoder.decode(Summary.self, from: RealPlanReaderTests.run([path, "--deep"]))
        #expect(summary.fileSize == report.planBytes)
        RealPlanReaderTests.compare(summary, with: plan)
        #expect(try plan.chatTemplate() == Array(summary.chatTemplate.utf8))

        let model = FoldNorms(widensMatrices: false).apply(to: try Model(try Checkpoint.open(TestModel.realModel)))
            .model
        let lowered = try ModelLowering(precision: .keep).lower(model)
        // 9 query heads, 3 key heads.
        let stored = StoredRows.all(of: lowered) {
            $0.hasSuffix("attn_q.weight") ? 9 : $0.hasSuffix("attn_k.weight") ? 3 : nil
        }
        // Rows of Q (0...575), K (576...767) and V (768...959), of both halves of a head, and of the last tile.
        let rows: [(tensor: String, rows: [Int], source: String)] = [
            ("token_embd.weight", [0, 17, 49151], "token_embd.weight"),
            ("layers.0.attention.projected", [0, 1, 33, 575], "blk.0.attn_q.weight"),
            ("layers.29.attention.projected", [576, 609, 767], "blk.29.attn_k.weight"),
            ("layers.7.attention.projected", [768, 801, 959], "blk.7.attn_v.weight"),
            ("layers.3.attention.output", [5, 575], "blk.3.attn_output.weight"),
            ("layers.11.feed_forward.gate_up", [0, 1535], "blk.11.ffn_gate.weight"),
            ("layers.11.feed_forward.gate_up", [1536, 3071], "blk.11.ffn_up.weight"),
            ("layers.20.feed_forward.down", [3, 575], "blk.20.ffn_down.weight"),
        ]
        for (tensor, rows, source) in rows {
            let matrix = try #require(stored[tensor])
            for row in rows {
                #expect(matrix.sources[row].weight.name == source)
                let output = try RealPlanReaderTests.run([path, "--tensor", tensor, "--row", "\(row)"])
                // The reader computes in doubles; what it prints is exact, and the decoder rounds it once.
                let values = try JSONDecoder().decode([Double].self, from: output)
                #expect(values.map(Float.init) == matrix.values(row), "\(tensor), row \(row)")
            }
        }
    }

    private static func compare(_ summary: Summary, with plan: Plan) {
        #expect(summary.version == "\(Plan.majorVersion).\(plan.minorVersion)")
        #expect(Array(summary.digest.utf8) == plan.digestText)
        #expect(summary.fileSize == plan.fileSize)
        #expect(
            summary.sections.map(\.kind) == ["weights", "program", "tensors", "tokenizer", "chat_template", "facts"])
        #expect(summary.sections.map(\.offset) == plan.sections.map(\.offset))
        #expect(summary.sections.map(\.storedSize) == plan.sections.map(\.storedSize))
        #expect(summary.sections.map(\.rawSize) == plan.sections.map(\.rawSize))
        #expect(summary.sections.map(\.crc32) == plan.sections.map(\.checksum))
        let program = plan.program
        // Six in each of 30 layers; embedding, frequencies and the last norm.
        #expect(summary.tensors.count == 183)
        #expect(summary.tensors.map { Array($0.name.utf8) } == program.tensors.map(\.name))
        #expect(summary.tensors.map(\.offset) == program.tensors.map(\.offset))
        #expect(summary.tensors.map(\.bytes) == program.tensors.map(\.byteCount))
        for (found, tensor) in zip(summary.tensors, program.tensors) {
            switch tensor.layout {
            case .vector(let count): #expect(found.rows == 1 && found.columns == count)
            case .matrix(_, let rows, let columns): #expect(found.rows == rows && found.columns == columns)
            }
        }
        #expect(summary.program.buffers.map { Array($0.name.utf8) } == program.buffers.map(\.name))
        #expect(summary.program.buffers.map(\.width) == program.buffers.map(\.width))
        #expect(summary.program.buffers.map(\.offset) == program.buffers.map(\.offset))
        #expect(
            summary.program.buffers.map(\.bytes)
                == program.buffers.map { ($0.rowStride ?? 0) * program.rowCount($0.rows) })
        #expect(summary.program.states.count == 30)
        #expect(summary.program.states.allSatisfy { $0.heads == 3 && $0.dimensions == 64 })
        #expect(summary.program.body.count == program.body.count)
        #expect(summary.program.head.count == program.head.count)
        #expect(summary.program.contextLength == program.contextLength)
        #expect(summary.program.vocabularySize == 49152 && program.vocabularySize == 49152)
        #expect(summary.program.arenaBytes == program.arenaBytes)
    }
}
