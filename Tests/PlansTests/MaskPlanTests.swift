import Foundation
import Testing

@testable import Plans

private typealias P = SmallPlan
private typealias M = MaskPlan

/// Masks in programs and files: one broken rule at a time.
@Suite struct MaskPlanTests {
    typealias Case = VerifierTests.Case

    private static let alone = "what masks alone have is read for masks alone"
    private static let rows = "an embedding has one row for every token"
    private static let order = "a table begins with the token behind the table before it"

    static let cases: [Case] = [
        Case("read by a product", alone) {
            $0.body[M.second] = .multiply(
                input: M.low, weight: M.tables.up, bias: nil, output: P.projected, column: 0, accumulate: true)
        },
        Case("read by a norm", alone) {
            $0.body.insert(.normalize(input: M.low, weight: nil, epsilon: 1, output: M.low), at: M.second)
        },
        Case("written over what all rows have", alone) { $0.body[M.second] = M.up(accumulate: false) },
        Case("added to what was not written", VerifierTests.written) { $0.body[M.first] = M.down(accumulate: true) },
        Case("input that was not written", VerifierTests.written) { $0.body.remove(at: M.first) },
        Case("input of another element", VerifierTests.operandElement) { $0.body[M.first] = M.down(input: P.normed) },
        Case("input of another width", "the input is as wide as the matrix has columns") {
            $0.body[M.second] = M.up(input: P.residual)
        },
        Case("output of another width", VerifierTests.operandWidth) { $0.body[M.second] = M.up(output: P.residual) },
        Case("no matrix", "an operand is a matrix") { $0.body[M.first] = M.down(weight: TensorIndex(1)) },
        Case("in place", "an instruction does not write what it reads") {
            $0.body[M.first] = M.down(
                input: P.residual, weight: P.tensor("1.o"), output: P.residual, accumulate: true)
        },
        Case("a table before the embedding", order) { $0.body.swapAt(0, M.table) },
        Case("a table between the embedding's", order) { $0.body.swapAt(1, M.table) },
        Case("a table away from the embedding", order) { $0.body.swapAt(M.table, M.table + 1) },
        Case("a table for another buffer", order) {
            $0.body[M.table] = .embed(table: M.tables.embedding, first: P.vocabulary, output: P.normed)
        },
        Case("a second table", order) { $0.body.insert($0.body[M.table], at: M.table) },
        Case("a table that begins later", order) {
            $0.body[M.table] = .embed(table: M.tables.embedding, first: P.vocabulary + 1, output: P.residual)
        },
        Case("a table of another width", VerifierTests.operandWidth) {
            $0.body[M.table] = .embed(table: M.tables.up, first: P.vocabulary, output: P.residual)
        },
        Case("too many places", "a group of masks has so many places") {
            $0.body[M.table] = .embed(table: TensorIndex(0), first: P.vocabulary, output: P.residual)
        },
    ]

    @Test func theProgramItselfVerifies() throws {
        try M.program().verify(weightsBytes: M.weightsBytes)
        #expect(M.program().maskCount == 2 && P.program().maskCount == 0)
        // Nothing has to come behind the masks' table.
        #expect(M.program().body[M.table + 1].bufferUses.writes == P.rotary)
    }

    @Test(arguments: cases)
    func aBrokenInstructionIsRefused(_ broken: Case) {
        var program = M.program()
        broken.damage(&program)
        do throws(PlanError) {
            try program.verify(weightsBytes: M.weightsBytes)
            Issue.record("the program was accepted")
        } catch {
            #expect("\(error.rule)" == broken.rule)
        }
    }

    @Test func aPlanReadsAsItWasWritten() throws {
        #expect(try Plan(bytes: M.bytes()).program == M.program())
    }

    @Test func everyFlippedByteIsVerifiedOrRefused() throws {
        let image = PlanImage(bytes: try M.bytes())
        let section = try image.entry(.program)
        #expect(try image.flippedBytesRefused(in: section) > section.range.count)
    }

    @Test func bothReadersRefuseTheSameDamage() throws {
        let image = PlanImage(bytes: try M.bytes())
        let section = try image.entry(.program)
        let program = M.program()
        let body = section.range.lowerBound + 64 + 32 * program.buffers.count + 32 * program.states.count
        let cases: [(offset: Int, value: UInt64)] = [
            (body + 64 * M.table + 4, 0), (body + 64 * M.table + 8, 41), (body + 64 * M.table + 12, 2),
            (body + 64 * M.first + 4, 99), (body + 64 * M.first + 8, 99),
        ]
        try withTemporaryDirectory { directory in
            let path = directory + "/a.plan"
            for (offset, value) in cases {
                var damaged = image
                damaged.set(value, at: offset, size: 4)
                damaged.reseal(section)
                try Data(damaged.bytes).write(to: URL(fileURLWithPath: path))
                #expect(try damaged.refusal()?.exitCode == 65)
                #expect(try PythonReaderTests.run([path]).status == 65)
            }
            try Data(image.bytes).write(to: URL(fileURLWithPath: path))
            #expect(try PythonReaderTests.run([path, "--deep"]).status == 0)
        }
    }
}
