import Foundation
import Testing

@testable import Plans

/// Windows with sinks in the file, as both readers see them.
@Suite struct WindowPlanFileTests {
    /// The instruction that attends through a window.
    private static let attend = 14

    private static func program(_ window: AttentionWindow?) throws -> Program {
        var program = SmallPlan.program()
        guard case .attend(var attention) = program.body[attend] else { throw CocoaError(.fileReadUnknown) }
        attention.window = window
        program.body[attend] = .attend(attention)
        return program
    }

    @Test(arguments: [
        nil, AttentionWindow(length: 1), AttentionWindow(length: 8, sinks: 256),
        AttentionWindow(length: Int(Int32.max), sinks: 4),
    ])
    func bothReadersSeeTheWindow(window: AttentionWindow?) throws {
        struct Summary: Decodable {
            struct Instruction: Decodable {
                var name: String
                var window: Int?
                var sinks: Int?
            }
            struct Program: Decodable { var body: [Instruction] }
            var program: Program
        }
        try withTemporaryDirectory { directory in
            let path = directory + "/a.plan"
            let program = try WindowPlanFileTests.program(window)
            try SmallPlan.write(path, program: program)
            let plan = try Plan.open(path: path)
            #expect(plan.program == program)
            #expect(plan.program.windows == [nil, window])
            let (output, status) = try PythonReaderTests.run([path, "--deep"])
            #expect(status == 0)
            let found = try JSONDecoder().decode(Summary.self, from: output).program.body[WindowPlanFileTests.attend]
            #expect(found.name == "attend")
            #expect(found.window == window?.length ?? 0 && found.sinks == window?.sinks ?? 0)
        }
    }

    /// Words of the instruction, what they become, and the rule that this breaks.
    static let damages: [([(word: Int, value: UInt64)], String)] = [
        ([(9, 0), (11, 4)], "only a window has sinks"), ([(11, 257)], "a window has at most 256 sinks"),
        ([(9, 1 << 31)], "the window is within its limit"), ([(12, 1)], "reserved bytes are zero"),
    ]

    @Test(arguments: damages)
    func bothReadersRefuse(words: [(word: Int, value: UInt64)], rule: String) throws {
        let program = try WindowPlanFileTests.program(AttentionWindow(length: 8, sinks: 2))
        let image = PlanImage(bytes: try SmallPlan.bytes(program: program))
        let section = try image.entry(.program)
        let body = section.range.lowerBound + 64 + 32 * program.buffers.count + 32 * program.states.count
        var damaged = image
        for (word, value) in words {
            damaged.set(value, at: body + 64 * WindowPlanFileTests.attend + 4 * word, size: 4)
        }
        damaged.reseal(section)
        let error = try #require(try damaged.refusal())
        #expect("\(error.rule)" == rule)
        try withTemporaryDirectory { directory in
            let path = directory + "/a.plan"
            try Data(damaged.bytes).write(to: URL(fileURLWithPath: path))
            #expect(try PythonReaderTests.run([path]).status == error.exitCode)
        }
    }
}
