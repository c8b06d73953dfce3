import Foundation
import Plans
import Testing

/// The smallest program that verifies: embed, select, multiply.
enum TinyPlan {
    static func program() -> Program {
        func buffer(_ name: String, _ rows: Buffer.Rows, width: Int, offset: Int) -> Buffer {
            Buffer(name: [UInt8](name.utf8), element: .float32, rows: rows, width: width, offset: offset)
        }
        return Program(
            tensors: [Tensor(name: [UInt8]("table".utf8), layout: .matrix(.float16, rows: 2, columns: 1), offset: 0)],
            buffers: [
                buffer("rows", .step, width: 1, offset: 0), buffer("picked", .outputs, width: 1, offset: 64),
                buffer("logits", .outputs, width: 2, offset: 128),
            ],
            states: [], body: [.embed(table: TensorIndex(0), first: 0, output: BufferIndex(0))],
            head: [
                .selectRows(input: BufferIndex(0), output: BufferIndex(1)),
                .multiply(
                    input: BufferIndex(1), weight: TensorIndex(0), bias: nil, output: BufferIndex(2), column: 0,
                    accumulate: false),
            ],
            logits: BufferIndex(2), maximumRows: 1, maximumOutputs: 1, contextLength: 1, vocabularySize: 2,
            arenaBytes: 192)
    }
}

/// The seeds of the fuzzer stand for files that older builds have written: they read as what they were.
@Suite struct SeedTests {
    private static let folder = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fuzz/Seeds/plan").path

    @Test func storedPlansReadAsTheProgramsTheyWereWrittenFrom() throws {
        let small = try Plan.open(path: SeedTests.folder + "/small")
        #expect(small.program == SmallPlan.program())
        #expect([UInt8](small.weights) == LogicalWeights.pack(small.program.tensors))
        #expect(try small.chatTemplate() == SmallPlan.chatTemplate)
        try small.verifyWeights()
        let others = [
            ("sharing", SharingPlan.program()), ("grouped", GroupedPlanFileTests.program()),
            ("hybrid", HybridPlanFileTests.program()), ("tiny", TinyPlan.program()),
            ("masks", MaskPlan.program()),
        ]
        for (name, program) in others {
            let plan = try Plan.open(path: SeedTests.folder + "/" + name)
            #expect(plan.program == program)
            try plan.verifyWeights()
        }
    }
}
