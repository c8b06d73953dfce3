import Foundation
import Testing

@testable import Plans

/// A window with sums behind it in the file and in the verifier: one broken rule at a time.
@Suite struct HybridPlanFileTests {
    /// The instruction that attends; its state, and the first tensor that it has of its own.
    private static let (attend, state, firstTensor) = (14, StateIndex(1), 18)

    private static func sums(features: Int = 32, areWeighed: Bool = true, element: CacheElement = .float16)
        -> MixerState
    {
        .sums(
            heads: 1, dimensions: SmallPlan.dimensions, element: element,
            FeatureSums(features: features, areWeighed: areWeighed))
    }

    /// The small plan, its second attention with a window of 8 in blocks of 4, and 32 features of each of two query heads.
    static func program(
        _ change: (inout SoftmaxAttention, inout DistantSums) -> Void = { _, _ in }
    ) -> Program {
        var program = SmallPlan.program()
        guard case .attend(var attention) = program.body[attend] else { return program }
        let (heads, dimensions) = (SmallPlan.queryHeads, SmallPlan.dimensions)
        let layouts: [(String, Tensor.Layout)] = [
            ("queries", .matrix(.float16, rows: heads * 16, columns: dimensions)),
            ("keys", .matrix(.float32, rows: 16, columns: dimensions)),
            ("gate", .vector(count: heads * (dimensions + 2))),
        ]
        for (name, layout) in layouts {
            let end = program.tensors.reduce(0) { max($0, $1.offset + ($1.byteCount ?? 0)) }
            program.tensors.append(Tensor(name: [UInt8](name.utf8), layout: layout, offset: (end + 63) / 64 * 64))
        }
        var distant = DistantSums(
            block: 4, queryMap: TensorIndex(firstTensor), keyMap: TensorIndex(firstTensor + 1),
            gate: TensorIndex(firstTensor + 2))
        attention.window = AttentionWindow(length: 8, sinks: 2)
        change(&attention, &distant)
        attention.window?.distant = distant
        program.states[state.value] = sums()
        program.body[attend] = .attend(attention)
        return program
    }

    private static let weightsBytes = LogicalWeights.pack(program().tensors).count

    typealias Case = (name: String, rule: String, damage: @Sendable (inout Program) -> Void)

    private static func damaged(
        _ name: String, _ rule: String,
        _ change: @escaping @Sendable (inout SoftmaxAttention, inout DistantSums) -> Void
    ) -> Case {
        (name, rule, { $0 = program(change) })
    }

    static let cases: [Case] = [
        damaged("no block", "a block has at most 240 positions") { $1.block = 0 },
        damaged("long block", "a block has at most 240 positions") { $1.block = 241 },
        damaged("half a block", "a window consists of whole blocks") { $1.block = 3 },
        damaged("no window", "the window is within its limit") {
            $0.window?.length = 0
            $1.block = 1
        },
        damaged("sinks", "a window has at most 256 sinks") { attention, _ in attention.window?.sinks = 257 },
        damaged("map from nowhere", "a tensor exists") { $1.keyMap = TensorIndex(99) },
        damaged("map that is a vector", "an operand is a matrix") { $1.queryMap = TensorIndex(firstTensor + 2) },
        damaged("map of codes", "a feature map is a matrix of floats") { $1.keyMap = SmallPlan.tensor("0.o") },
        (
            "map of other dimensions", "a feature map takes a head's dimensions",
            { $0.tensors[firstTensor].layout = .matrix(.float16, rows: 32, columns: 31) }
        ),
        (
            "map of fewer heads", "a feature map has whole tiles of 16 rows for every query head, at most 256",
            { $0.tensors[firstTensor].layout = .matrix(.float16, rows: 31, columns: 32) }
        ),
        (
            "map without rows for a head", "a feature map has whole tiles of 16 rows for every query head, at most 256",
            { $0.tensors[firstTensor].layout = .matrix(.float16, rows: 16, columns: 32) }
        ),
        (
            "map of keys with other rows",
            "a feature map of keys has as many rows for every key head, or query head",
            { $0.tensors[firstTensor + 1].layout = .matrix(.float32, rows: 15, columns: 32) }
        ),
        (
            "gate of another length", "a vector has the length that the instruction wants",
            { $0.tensors[firstTensor + 2].layout = .vector(count: 66) }
        ),
        ("other features", "the state has room for the features of its keys", { $0.states[1] = sums(features: 16) }),
        (
            "huge features", "the number of features is within its limit", { $0.states[1] = sums(features: 1 << 25) }
        ),
        (
            "sums that are not weighed", "a state is of the kind that the instruction takes",
            { $0.states[1] = sums(areWeighed: false) }
        ),
        ("sums in int8", "a state with sums is of floats", { $0.states[1] = sums(element: .int8) }),
        (
            "a state without sums", "a state is of the kind that the instruction takes",
            { $0.states[1] = SmallPlan.program().states[1] }
        ),
    ]

    @Test func aBrokenInstructionIsRefused() throws {
        try HybridPlanFileTests.program().verify(weightsBytes: HybridPlanFileTests.weightsBytes)
        for (name, rule, damage) in HybridPlanFileTests.cases {
            var program = HybridPlanFileTests.program()
            damage(&program)
            do throws(PlanError) {
                try program.verify(weightsBytes: HybridPlanFileTests.weightsBytes)
                Issue.record("\(name): the program was accepted")
            } catch {
                #expect("\(error.rule)" == rule, "\(name)")
            }
        }
    }

    @Test func itsWeightsAreNotShared() throws {
        var program = HybridPlanFileTests.program()
        program.states.append(.values(heads: 1, dimensions: SmallPlan.dimensions, element: .float16))
        guard case .attend(let attention) = program.body[HybridPlanFileTests.attend] else { return }
        program.body.insert(
            .attendShared(
                SharedAttention(
                    projected: attention.projected, state: StateIndex(2), donor: attention.state, headMap: [0, 1],
                    output: attention.output)), at: HybridPlanFileTests.attend + 1)
        do throws(PlanError) {
            try program.verify(weightsBytes: HybridPlanFileTests.weightsBytes)
            Issue.record("the program was accepted")
        } catch {
            #expect("\(error.rule)" == "weights are those of the last attend before")
        }
        #expect(program.donors.allSatisfy { $0 == nil || $0?.state == StateIndex(0) })
    }

    @Test func extremeNumbersNeverTrap() {
        var open = Limits.standard
        (open.width, open.contextLength, open.arenaBytes) = (.max, .max, .max)
        for value in [Int.min, -1, 0, 1, 64, 1 << 24, 1 << 32, 1 << 58, Int.max - 63, Int.max] {
            var programs = [
                HybridPlanFileTests.program { $1.block = value },
                HybridPlanFileTests.program { attention, _ in attention.window?.length = value },
                HybridPlanFileTests.program { attention, _ in attention.window?.sinks = value },
                HybridPlanFileTests.program { attention, _ in attention.queryHeads = value },
                HybridPlanFileTests.program { $1.queryMap = TensorIndex(value) },
                HybridPlanFileTests.program { $1.keyMap = TensorIndex(value) },
                HybridPlanFileTests.program { $1.gate = TensorIndex(value) },
            ]
            var program = HybridPlanFileTests.program()
            program.states[1] = HybridPlanFileTests.sums(features: value)
            programs.append(program)
            for layout: Tensor.Layout in [
                .matrix(.float16, rows: value, columns: 32), .matrix(.float16, rows: 32, columns: value),
                .vector(count: value),
            ] {
                for tensor in 0..<3 {
                    program = HybridPlanFileTests.program()
                    program.tensors[HybridPlanFileTests.firstTensor + tensor].layout = layout
                    programs.append(program)
                }
            }
            for program in programs {
                for limits in [Limits.standard, open] {
                    _ = try? program.verify(weightsBytes: HybridPlanFileTests.weightsBytes, limits: limits)
                }
            }
        }
    }

    @Test func bothReadersSeeTheSamePlan() throws {
        struct Summary: Decodable {
            struct State: Decodable {
                var kind: String
                var features: Int?
                var weighed: Bool?
            }
            struct Instruction: Decodable {
                var name: String
                var window: Int?
                var sinks: Int?
                var block: Int?
                var gate: Int?
            }
            struct Program: Decodable {
                var states: [State]
                var body: [Instruction]
            }
            var program: Program
        }
        try withTemporaryDirectory { directory in
            let path = directory + "/a.plan"
            let program = HybridPlanFileTests.program()
            try Data(SmallPlan.bytes(program: program)).write(to: URL(fileURLWithPath: path))
            let plan = try Plan.open(path: path)
            #expect(plan.program == program)
            #expect(plan.program.groups == [nil, PositionGroups(size: 4, kept: 2, left: 2)])
            let (output, status) = try PythonReaderTests.run([path, "--deep"])
            #expect(status == 0)
            let found = try JSONDecoder().decode(Summary.self, from: output).program
            #expect(found.states[1].kind == "sums" && found.states[1].features == 32 && found.states[1].weighed == true)
            let instruction = found.body[HybridPlanFileTests.attend]
            #expect(instruction.name == "attend_hybrid" && instruction.window == 8 && instruction.sinks == 2)
            #expect(instruction.block == 4 && instruction.gate == HybridPlanFileTests.firstTensor + 2)
        }
    }

    /// Words of the instruction, and what they become.
    static let damages: [(word: Int, value: UInt64)] = [
        (0, 10), (0, 12), (0, 14), (9, 0), (9, 9), (11, 257), (12, 0), (12, 241), (12, 3), (13, 99), (13, 0), (14, 20),
        (14, 5), (15, 0), (15, 18), (3, 0), (4, 1), (4, 4),
    ]

    @Test func bothReadersRefuseTheSameDamage() throws {
        let program = HybridPlanFileTests.program()
        let image = PlanImage(bytes: try SmallPlan.bytes(program: program))
        let section = try image.entry(.program)
        let states = section.range.lowerBound + 64 + 32 * program.buffers.count
        let record = states + 32 * program.states.count + 64 * HybridPlanFileTests.attend
        var images: [PlanImage] = HybridPlanFileTests.damages.map { word, value in
            var damaged = image
            damaged.set(value, at: record + 4 * word, size: 4)
            return damaged
        }
        for (place, value) in [(states + 32, UInt64(0)), (states + 44, 2), (states + 48, 64), (states + 52, 0)] {
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
