import Foundation
import Testing

@testable import Plans

/// Instructions that drafts can do without, in files.
@Suite struct SkippedPlanTests {
    /// The small plan, whose first feed-forward can be skipped.
    private static func program() -> Program {
        var program = SmallPlan.program()
        program.skipped = Array(8..<12)
        return program
    }

    @Test func aPlanReadsAsItWasWritten() throws {
        let program = SkippedPlanTests.program()
        let image = PlanImage(bytes: try SmallPlan.bytes(program: program))
        let plan = try Plan(bytes: image.bytes)
        #expect(plan.program == program)
        #expect(program.draftBody.count == program.body.count - 4)
        #expect(SmallPlan.program().draftBody == SmallPlan.program().body)
        // A reader of 4.0 passes over the section.
        #expect(plan.sections.last?.kind == 7 && plan.sections.last?.flags == .ignorable)
    }

    @Test func everyFlippedByteIsVerifiedOrRefusedByBothReaders() throws {
        let image = PlanImage(bytes: try SmallPlan.bytes(program: SkippedPlanTests.program()))
        let section = try image.entry(.skipped)
        #expect(section.range.count == 16)
        #expect(try image.flippedBytesRefused(in: section) >= section.range.count * 2)
        try withTemporaryDirectory { directory in
            let path = directory + "/a.plan"
            var damaged = image
            damaged.set(99, at: section.range.upperBound - 4, size: 4)
            damaged.reseal(section)
            for (image, status) in [(image, 0), (damaged, 65)] {
                try Data(image.bytes).write(to: URL(fileURLWithPath: path))
                #expect(try PythonReaderTests.run([path, "--deep"]).status == status)
            }
        }
    }
}
