import Foundation
import Testing

@testable import Plans

/// Head maps and states of values in files.
@Suite struct SharingPlanFileTests {
    let image: PlanImage
    let section: PlanImage.Entry
    /// Where the head maps begin: two maps of two entries.
    let maps: Int

    init() throws {
        image = PlanImage(bytes: try SharingPlan.bytes())
        section = try image.entry(.program)
        let program = SharingPlan.program()
        maps =
            section.range.lowerBound + 64 + 32 * program.buffers.count + 32 * program.states.count
            + 64 * (program.body.count + program.head.count)
    }

    private func damaged(_ changes: (offset: Int, value: UInt64)...) -> PlanImage {
        var damaged = image
        for (offset, value) in changes { damaged.set(value, at: offset, size: 4) }
        damaged.reseal(section)
        return damaged
    }

    @Test func aPlanReadsAsItWasWritten() throws {
        let plan = try Plan(bytes: image.bytes)
        #expect(plan.program == SharingPlan.program())
        #expect(image.number(at: section.range.lowerBound + 52, size: 4) == 4)
        #expect((0..<4).map { image.number(at: maps + 4 * $0, size: 4) } == [1, 1, 1, 0])
    }

    @Test func everyFlippedByteIsVerifiedOrRefused() throws {
        #expect(try image.flippedBytesRefused(in: section) > section.range.count)
    }

    @Test func headMapsHaveAnEntryForEachQueryHeadAndNoOther() throws {
        let receiver = maps - 64 * (SharingPlan.program().head.count + SharingPlan.program().body.count)
        let heads = receiver + 64 * SharingPlan.receiver + 4 * 4
        #expect(image.number(at: heads, size: 4) == 2)
        let cases: [(PlanImage, String)] = [
            (damaged((heads, 5)), "the head maps have an entry for every query head"),
            (damaged((heads, .max >> 32)), "the head maps have an entry for every query head"),
            (damaged((heads, 1)), "every entry of the head maps belongs to an instruction"),
            (damaged((maps, 2)), "a head map names query heads of the donor"),
            (damaged((maps + 12, .max >> 32)), "a head map names query heads of the donor"),
            (damaged((section.range.lowerBound + 52, 3)), "the section has the size that its counts say"),
            (damaged((section.range.lowerBound + 52, 5)), "the section has the size that its counts say"),
            (damaged((section.range.lowerBound + 52, 1 << 24)), "a count is within its limit"),
        ]
        for (damaged, rule) in cases {
            let error = try #require(try damaged.refusal())
            #expect("\(error.rule)" == rule)
            #expect(error.exitCode == 65)
        }
    }

    @Test func entriesOfHeadMapsHaveALimit() throws {
        var limits = Limits.standard
        limits.headMapEntries = 3
        let error = try #require(throws: PlanError.self) { try Plan(bytes: image.bytes, limits: limits) }
        #expect(error.expected == .range(0, 3) && error.found == .number(4))
    }

    @Test func bothReadersRefuseTheSameDamage() throws {
        let program = SharingPlan.program()
        let states = section.range.lowerBound + 64 + 32 * program.buffers.count
        let record = states + 32 * program.states.count + 64 * SharingPlan.receiver
        var damages = [
            (section.range.lowerBound + 52, 3), (section.range.lowerBound + 56, 1), (maps, 2), (maps + 12, 7),
            (states + 64, 0), (states + 64, 2), (states, 1), (record + 8, 0), (record + 8, 3), (record + 12, 1),
            (record + 12, 2), (record + 16, 0), (record + 16, 1), (record + 16, 4), (record + 24, 1),
        ].map { damaged(($0.0, UInt64($0.1))) }
        damages.append(PlanImage(bytes: [UInt8](image.bytes[..<(image.bytes.count - 1)])))
        try withTemporaryDirectory { directory in
            let path = directory + "/a.plan"
            for (index, damaged) in damages.enumerated() {
                try Data(damaged.bytes).write(to: URL(fileURLWithPath: path))
                let error = try #require(try damaged.refusal(), "damage \(index)")
                #expect(try PythonReaderTests.run([path]).status == error.exitCode, "damage \(index): \(error.rule)")
            }
        }
    }

    @Test func theSecondReaderSeesTheSameHeadMaps() throws {
        struct Summary: Decodable {
            struct State: Decodable {
                var kind: String
                var heads: Int
            }
            struct Instruction: Decodable {
                var name: String
                var state: Int?
                var donor: Int?
                var headMap: [Int]?
            }
            struct Program: Decodable {
                var states: [State]
                var body: [Instruction]
            }
            var program: Program
        }
        try withTemporaryDirectory { directory in
            let path = directory + "/a.plan"
            try Data(image.bytes).write(to: URL(fileURLWithPath: path))
            let (output, status) = try PythonReaderTests.run([path, "--deep"])
            #expect(status == 0)
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            let program = try decoder.decode(Summary.self, from: output).program
            #expect(program.states.map(\.kind) == ["keys_and_values", "keys_and_values", "values", "values"])
            #expect(program.states.map(\.heads) == [1, 1, 1, 2])
            let receivers = program.body.filter { $0.name == "attend_shared" }
            #expect(receivers.map(\.state) == [2, 3])
            #expect(receivers.map(\.donor) == [0, 0])
            #expect(receivers.map(\.headMap) == [[1, 1], [1, 0]])
        }
    }
}
