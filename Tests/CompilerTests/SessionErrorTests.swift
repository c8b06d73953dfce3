import Runtime
import Testing

@Suite("A session refuses impossible steps and stays as it was")
struct SessionErrorTests {
    @Test("each kind of impossible step")
    func impossibleSteps() throws {
        let model = try TestModel(TestModel.resource("llama/model.gguf"), precision: .keep, maximumRows: 8)
        let engine = try Engine(plan: model.plan)
        let session = try engine.makeSession(contextLength: 12)
        #expect(session.capacity == 12)
        #expect(throws: RuntimeError.stepSize(rows: 0, maximum: 8)) { try session.evaluate([]) }
        #expect(throws: RuntimeError.stepSize(rows: 9, maximum: 8)) {
            try session.evaluate(Row.chain(Array(repeating: 1, count: 9), after: 0))
        }
        let vocabulary = UInt32(model.plan.program.vocabularySize)
        #expect(throws: RuntimeError.unknownInput(row: 1)) {
            try session.evaluate(Row.chain([1, vocabulary], after: 0))
        }
        #expect(throws: RuntimeError.unknownInput(row: 0)) {
            try session.evaluate([Row(input: .embedding(0), position: 0, parent: nil)])
        }
        for parent in [0, 1, -1] {
            #expect(throws: RuntimeError.badParent(row: 0)) {
                try session.evaluate([Row(input: .token(1), position: 0, parent: parent)])
            }
        }
        #expect(throws: RuntimeError.unknownRow(0)) { _ = try session.logits(of: [0]) }
        try session.evaluate(Row.chain([1, 2, 3, 4, 5, 6, 7, 8], after: 0))
        #expect(throws: RuntimeError.unknownRow(8)) { _ = try session.logits(of: [8]) }
        #expect(throws: RuntimeError.unknownRow(2)) { try session.commit([0, 2]) }
        #expect(throws: RuntimeError.unknownRow(1)) { try session.commit([1]) }
        try session.commit([0, 1, 2, 3, 4, 5, 6, 7])
        #expect(throws: RuntimeError.contextFull(capacity: 12)) {
            try session.evaluate(Row.chain([1, 2, 3, 4, 5], after: 8))
        }
        try session.evaluate(Row.chain([1, 2, 3, 4], after: 8))
        #expect(session.committed == 8)
    }

    @Test("an instruction set that the machine lacks is named")
    func missingInstructionSet() throws {
        let model = try TestModel(TestModel.resource("llama/model.gguf"), precision: .keep)
        #if arch(x86_64)
            let missing = InstructionSet.neon
        #else
            let missing = InstructionSet.avx2
        #endif
        #expect(throws: RuntimeError.instructionSetMissing(missing)) {
            _ = try Engine(plan: model.plan, instructionSet: missing)
        }
    }
}
