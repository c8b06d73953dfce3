import Foundation
import Testing

@testable import Plans

/// Grouped linear attention in the file and in the verifier: one broken rule at a time.
@Suite struct GroupedPlanFileTests {
    /// The instruction that attends in groups, with norms of heads; its state, and the tensor of its taps.
    private static let (attend, state, taps) = (14, StateIndex(1), 18)

    /// The small plan, its second attention in groups of 20 with three taps for each of two heads.
    static func program(
        _ change: (inout GroupedAttention) -> Void = { _ in }
    ) -> Program {
        var program = SmallPlan.program()
        guard case .attend(let softmax) = program.body[attend] else { return program }
        let end = program.tensors.reduce(0) { max($0, $1.offset + ($1.byteCount ?? 0)) }
        program.tensors.append(
            Tensor(name: [UInt8]("taps".utf8), layout: .vector(count: 6), offset: (end + 63) / 64 * 64))
        var attention = GroupedAttention(
            projected: softmax.projected, rotary: softmax.rotary, state: softmax.state,
            queryHeads: softmax.queryHeads, queryNorm: softmax.queryNorm, keyNorm: softmax.keyNorm,
            epsilon: softmax.epsilon, alpha: -0.25, group: 20, convolution: TensorIndex(taps), output: softmax.output)
        change(&attention)
        program.states[state.value] = sums()
        program.body[attend] = .attendGrouped(attention)
        return program
    }

    /// A state of sums over keys as they are.
    private static func sums(
        heads: Int = 1, dimensions: Int = SmallPlan.dimensions, element: CacheElement = .float32
    ) -> MixerState {
        .sums(
            heads: heads, dimensions: dimensions, element: element,
            FeatureSums(features: dimensions, areWeighed: false))
    }

    private static let weightsBytes = LogicalWeights.pack(program().tensors).count

    typealias Case = (name: String, rule: String, damage: @Sendable (inout Program) -> Void)

    private static func damaged(
        _ name: String, _ rule: String, _ change: @escaping @Sendable (inout GroupedAttention) -> Void
    ) -> Case {
        (name, rule, { $0 = program(change) })
    }

    static let cases: [Case] = [
        damaged("no group", "a group and the taps of a head are at most 240 positions") { $0.group = 0 },
        damaged("long group", "a group and the taps of a head are at most 240 positions") { $0.group = 238 },
        damaged("huge group", "a group and the taps of a head are at most 240 positions") { $0.group = .max },
        damaged("alpha is not finite", "a number is finite") { $0.alpha = .nan },
        (
            "taps that do not fit", "every query head has as many taps",
            { $0.tensors[taps].layout = .vector(count: 5) }
        ),
        damaged("taps from nowhere", "a tensor exists") { $0.convolution = TensorIndex(99) },
        damaged("taps of a matrix", "an operand is a vector") { $0.convolution = SmallPlan.tensor("0.o") },
        damaged("no heads", "the heads fit the projection") { $0.queryHeads = 0 },
        damaged("state from nowhere", "a state exists") { $0.state = StateIndex(2) },
        damaged("a softmax state", "a state is of the kind that the instruction takes") { $0.state = StateIndex(0) },
        damaged("norm of another length", "a vector has the length that the instruction wants") {
            $0.queryNorm = SmallPlan.tensor("0.norm")
        },
        damaged("no epsilon", "epsilon is finite and above zero") { $0.epsilon = 0 },
        (
            "softmax over sums", "a state is of the kind that the instruction takes",
            { $0.body[attend] = SmallPlan.program().body[attend] }
        ),
        (
            "sums in int8", "a state with sums is of floats",
            { $0.states[1] = sums(element: .int8) }
        ),
        (
            "huge sums", "the size of a state can be computed",
            { $0.states[1] = sums(heads: 1 << 24, dimensions: 1 << 24) }
        ),
        (
            "in the head", "the body's buffers have the step's rows, the head's those asked for",
            { $0.head.insert($0.body[attend], at: 1) }
        ),
    ]

    @Test func aBrokenInstructionIsRefused() throws {
        try GroupedPlanFileTests.program().verify(weightsBytes: GroupedPlanFileTests.weightsBytes)
        for (name, rule, damage) in GroupedPlanFileTests.cases {
            var program = GroupedPlanFileTests.program()
            damage(&program)
            do throws(PlanError) {
                try program.verify(weightsBytes: GroupedPlanFileTests.weightsBytes)
                Issue.record("\(name): the program was accepted")
            } catch {
                #expect("\(error.rule)" == rule, "\(name)")
            }
        }
    }

    @Test func extremeNumbersNeverTrap() {
        var open = Limits.standard
        (open.width, open.contextLength, open.arenaBytes) = (.max, .max, .max)
        for value in [Int.min, -1, 0, 1, 64, 1 << 24, 1 << 32, 1 << 58, Int.max - 63, Int.max] {
            var programs = [
                GroupedPlanFileTests.program { $0.group = value },
                GroupedPlanFileTests.program { $0.queryHeads = value },
                GroupedPlanFileTests.program { $0.state = StateIndex(value) },
                GroupedPlanFileTests.program { $0.convolution = TensorIndex(value) },
                GroupedPlanFileTests.program { $0.projected = BufferIndex(value) },
                GroupedPlanFileTests.program { $0.rotary = BufferIndex(value) },
                GroupedPlanFileTests.program { $0.output = BufferIndex(value) },
            ]
            var program = GroupedPlanFileTests.program()
            program.states[1] = GroupedPlanFileTests.sums(heads: value)
            programs.append(program)
            program.states[1] = GroupedPlanFileTests.sums(dimensions: value)
            programs.append(program)
            for program in programs {
                for limits in [Limits.standard, open] {
                    _ = try? program.verify(weightsBytes: GroupedPlanFileTests.weightsBytes, limits: limits)
                }
            }
        }
    }

    @Test func bothReadersSeeTheSamePlan() throws {
        struct Summary: Decodable {
            struct State: Decodable { var kind: String }
            struct Instruction: Decodable {
                var name: String
                var group: Int?
                var alpha: Float?
                var convolution: Int?
            }
            struct Program: Decodable {
                var states: [State]
                var body: [Instruction]
            }
            var program: Program
        }
        try withTemporaryDirectory { directory in
            let path = directory + "/a.plan"
            let program = GroupedPlanFileTests.program()
            try Data(SmallPlan.bytes(program: program)).write(to: URL(fileURLWithPath: path))
            let plan = try Plan.open(path: path)
            #expect(plan.program == program)
            #expect(plan.program.windows == [nil, AttentionWindow(length: 20)])
            #expect(plan.program.groups == [nil, PositionGroups(size: 20)])
            let (output, status) = try PythonReaderTests.run([path, "--deep"])
            #expect(status == 0)
            let found = try JSONDecoder().decode(Summary.self, from: output).program
            #expect(found.states.map(\.kind) == ["keys_and_values", "sums"])
            let instruction = found.body[GroupedPlanFileTests.attend]
            #expect(instruction.name == "attend_grouped" && instruction.group == 20 && instruction.alpha == -0.25)
            #expect(instruction.convolution == GroupedPlanFileTests.taps)
        }
    }

    /// Words of the instruction, and what they become.
    static let damages: [(word: Int, value: UInt64)] = [
        (9, 0), (9, 238), (10, 0), (10, 99), (3, 0), (3, 2), (4, 0), (4, 4), (8, 0x7FC0_0000), (12, 1),
    ]

    @Test func bothReadersRefuseTheSameDamage() throws {
        let program = GroupedPlanFileTests.program()
        let image = PlanImage(bytes: try SmallPlan.bytes(program: program))
        let section = try image.entry(.program)
        let states = section.range.lowerBound + 64 + 32 * program.buffers.count
        let record = states + 32 * program.states.count + 64 * GroupedPlanFileTests.attend
        var images: [PlanImage] = GroupedPlanFileTests.damages.map { word, value in
            var damaged = image
            damaged.set(value, at: record + 4 * word, size: 4)
            return damaged
        }
        // An unknown kind of state, another kind than the instruction takes, sums in int8, of other features or weighed, and
        // reserved words.
        for (place, value) in [
            (states + 32, UInt64(3)), (states + 32, 0), (states + 44, 2), (states + 48, 31), (states + 48, 0),
            (states + 52, 1),
            (states + 52, 2), (states + 56, 1), (states + 16, 1),
        ] {
            var damaged = image
            damaged.set(value, at: place, size: 4)
            images.append(damaged)
        }
        try withTemporaryDirectory { directory in
            let path = directory + "/a.plan"
            for (index, var damaged) in images.enumerated() {
                damaged.reseal(section)
                try Data(damaged.bytes).write(to: URL(fileURLWithPath: path))
                let error = try #require(try damaged.refusal(), "damage \(index)")
                #expect(try PythonReaderTests.run([path]).status == error.exitCode, "damage \(index): \(error.rule)")
            }
        }
    }
}
