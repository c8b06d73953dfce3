import Plans
import Testing

private typealias P = SmallPlan
private typealias S = SharingPlan

/// What the verifier says of attention that uses another one's weights: one broken rule at a time.
@Suite struct SharedAttentionVerifierTests {
    typealias Case = VerifierTests.Case

    private static let donor = "weights are those of the last attend before"
    private static let kind = "a state is of the kind that the instruction takes"
    private static let once = "every state is attended once a step"
    private static let count = "weights are shared among equally many query heads"
    private static let map = "a head map names query heads of the donor"

    static let cases: [Case] = [
        Case("donor that does not exist", donor) { $0.body[S.receiver] = S.attendShared(donor: StateIndex(-1)) },
        Case("donor that attends later", donor) { $0.body[S.receiver] = S.attendShared(donor: StateIndex(1)) },
        Case("donor that is a receiver", donor) { $0.body[S.otherReceiver] = other(donor: StateIndex(2)) },
        Case("receiver before its donor", donor) {
            $0.body.removeSubrange(S.first + 1...S.receiver)
            $0.body.insert(contentsOf: [S.project, S.attendShared()], at: 5)
        },
        Case("another attend in between", donor) {
            let layer = Array($0.body[S.first + 4..<S.first + 8])
            $0.body.removeSubrange(S.first + 4..<S.first + 8)
            $0.body += layer
        },
        Case("state that does not exist", "a state exists") {
            $0.body[S.receiver] = S.attendShared(state: StateIndex(4))
        },
        Case("receiver with keys", kind) { $0.body[S.receiver] = S.attendShared(state: StateIndex(1)) },
        Case("donor without keys", kind) { $0.body[6] = P.attend(state: StateIndex(2)) },
        Case("keys that nobody writes", kind) {
            $0.states[2] = .keysAndValues(heads: 1, dimensions: 32, element: .float16)
        },
        Case("attended twice", once) { $0.body.insert(S.attendShared(), at: S.receiver) },
        Case("never attended", once) { $0.body.removeSubrange(S.first + 4..<S.first + 8) },
        Case("no head map", count) { $0.body[S.receiver] = S.attendShared(headMap: []) },
        Case("head map of one head", count) { $0.body[S.receiver] = S.attendShared(headMap: [0]) },
        Case("head map of four heads", count) { $0.body[S.receiver] = S.attendShared(headMap: [0, 1, 0, 1]) },
        Case("head past the donor's", map) { $0.body[S.receiver] = S.attendShared(headMap: [0, 2]) },
        Case("negative head", map) { $0.body[S.receiver] = S.attendShared(headMap: [-1, 0]) },
        Case("largest head", map) { $0.body[S.receiver] = S.attendShared(headMap: [.max, 0]) },
        Case("heads of values", "query heads are a multiple of the heads of values") {
            $0.states[2] = .values(heads: 3, dimensions: 32, element: .float16)
        },
        Case("values of another width", VerifierTests.operandWidth) {
            $0.body[S.receiver] = S.attendShared(projected: P.normed)
        },
        Case("quantized values", VerifierTests.operandElement) {
            $0.body[S.receiver] = S.attendShared(projected: P.quantized)
        },
        Case("values that are not written", VerifierTests.written) { $0.body.remove(at: S.first + 1) },
        Case("output of another width", "attention returns a value for every query") {
            $0.body[S.receiver] = S.attendShared(output: P.rotary)
        },
        Case("groups that reach over heads", "the query heads of a key head fill whole groups") {
            $0.states[2] = .values(heads: 2, dimensions: 16, element: .float16)
            $0.buffers.append(
                Buffer(name: [65], element: .quantized, rows: .step, width: 32, offset: $0.arenaBytes))
            $0.arenaBytes += 1024
            $0.body[S.receiver] = S.attendShared(output: BufferIndex(13))
        },
        Case("in place", "an instruction does not write what it reads") {
            $0.body[S.otherReceiver] = other(output: P.normed)
        },
        Case("in the head", "the head neither embeds, rotates nor attends") {
            $0.head.insert(S.attendShared(projected: P.picked, output: P.pickedNormed), at: 1)
        },
        Case("output over the values", "values that live at the same time lie apart") {
            $0.buffers[S.values.value].offset = $0.buffers[P.attended.value].offset
        },
        Case("no heads of values", "the number of heads is within its limit") {
            $0.states[2] = .values(heads: 0, dimensions: 32, element: .float16)
        },
        Case("part of a group in int8", "the dimensions of a head with an int8 cache are a multiple of 32") {
            $0.states[3] = .values(heads: 1, dimensions: 48, element: .int8)
        },
        Case("huge state of values", "the size of a state can be computed") {
            $0.contextLength = 1 << 24
            $0.states[2] = .values(heads: 1 << 24, dimensions: 1 << 24, element: .float16)
        },
    ]

    /// The second receiver's attention, but for what is given.
    private static func other(
        donor: StateIndex = StateIndex(0), output: BufferIndex = P.attendedFloat
    ) -> Instruction {
        S.attendShared(projected: P.normed, state: StateIndex(3), donor: donor, headMap: [1, 0], output: output)
    }

    @Test func theProgramItselfVerifies() throws {
        try SharingPlan.program().verify(weightsBytes: SharingPlan.weightsBytes)
    }

    @Test(arguments: cases)
    func aBrokenInstructionIsRefused(_ broken: Case) {
        var program = SharingPlan.program()
        broken.damage(&program)
        do throws(PlanError) {
            try program.verify(weightsBytes: SharingPlan.weightsBytes)
            Issue.record("the program was accepted")
        } catch {
            #expect("\(error.rule)" == broken.rule)
        }
    }

    @Test func extremeNumbersNeverTrap() {
        var open = Limits.standard
        (open.width, open.contextLength, open.arenaBytes) = (.max, .max, .max)
        for value in [Int.min, -1, 0, 1, 64, 1 << 24, 1 << 32, 1 << 58, Int.max - 63, Int.max] {
            let damages: [(inout Program) -> Void] = [
                { $0.states[2] = .values(heads: value, dimensions: 32, element: .float16) },
                { $0.states[2] = .values(heads: 1, dimensions: value, element: .float32) },
                { $0.states[3] = .values(heads: value, dimensions: value, element: .int8) },
                { $0.body[S.receiver] = S.attendShared(projected: BufferIndex(value)) },
                { $0.body[S.receiver] = S.attendShared(state: StateIndex(value)) },
                { $0.body[S.receiver] = S.attendShared(donor: StateIndex(value)) },
                { $0.body[S.receiver] = S.attendShared(headMap: [value, 0]) },
                { $0.body[S.receiver] = S.attendShared(output: BufferIndex(value)) },
                { $0.contextLength = value },
            ]
            for damage in damages {
                var program = SharingPlan.program()
                damage(&program)
                for limits in [Limits.standard, open] {
                    _ = try? program.verify(weightsBytes: SharingPlan.weightsBytes, limits: limits)
                }
            }
        }
    }

    @Test func keptWeightsAreThoseOfOneDonorForTheRowsOfAStep() {
        let program = SharingPlan.program()
        #expect(program.donors.map { $0 != nil } == [true, false, false, false])
        // 16 rows, 2 query heads, and for each segment 256 exponentials, the largest score and the sum.
        #expect(program.keptWeightBytes(capacity: 256) == 16 * 2 * 258 * 4)
        #expect(program.keptWeightBytes(capacity: 257) == 2 * 16 * 2 * 258 * 4)
        #expect(program.keptWeightBytes(capacity: 0) == 0)
        for capacity in [Int.max, Int.max - 255, 1 << 60, -1] {
            #expect(program.keptWeightBytes(capacity: capacity) == nil)
        }
        #expect(SmallPlan.program().keptWeightBytes(capacity: 256) == 0)
    }

    @Test func aStateOfValuesTakesWhatTheValuesOfOneWithKeysTake() {
        for element in CacheElement.allCases {
            let both = MixerState.keysAndValues(heads: 3, dimensions: 64, element: element)
            let values = MixerState.values(heads: 3, dimensions: 64, element: element)
            let bytes = [128, 256, 72][Int(element.rawValue)]
            #expect(values.bytesPerPosition == 3 * bytes)
            #expect(values.byteCount(slots: 32) == 3 * 32 * bytes)
            #expect(both.headBytes(slots: 20)?.values == values.headBytes(slots: 20)?.values)
            #expect(values.headBytes(slots: 20)?.keys == 0)
            #expect(both.bytesPerPosition > values.bytesPerPosition)
        }
    }
}
