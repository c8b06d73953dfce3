import Plans
import Testing

/// One broken rule at a time: the verifier names it. The program itself verifies, so each case fails for its own reason.
@Suite struct VerifierTests {
    struct Case: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var rule: String
        var damage: @Sendable (inout Program) -> Void

        init(_ description: String, _ rule: String, _ damage: @escaping @Sendable (inout Program) -> Void) {
            testDescription = description
            self.rule = rule
            self.damage = damage
        }
    }

    static let weightsBytes = LogicalWeights.pack(SmallPlan.program().tensors).count

    @Test func theSmallProgramVerifies() throws {
        try SmallPlan.program().verify(weightsBytes: VerifierTests.weightsBytes)
    }

    @Test(arguments: limits + tensors + buffers + states)
    func aBrokenPartIsRefused(_ broken: Case) throws { try expectRefusal(broken) }

    @Test(arguments: operands + parts + order + memory)
    func aBrokenInstructionIsRefused(_ broken: Case) throws { try expectRefusal(broken) }

    private func expectRefusal(_ broken: Case) throws {
        var program = SmallPlan.program()
        broken.damage(&program)
        do throws(PlanError) {
            try program.verify(weightsBytes: VerifierTests.weightsBytes)
            Issue.record("the program was accepted")
        } catch {
            #expect("\(error.rule)" == broken.rule)
        }
    }

    @Test func limitsCanBeLoweredAndAreNamed() throws {
        var limits = Limits.standard
        limits.buffers = 3
        let program = SmallPlan.program()
        let error = #expect(throws: PlanError.self) {
            try program.verify(weightsBytes: VerifierTests.weightsBytes, limits: limits)
        }
        #expect(error?.found == .number(12))
        #expect(error?.expected == .range(1, 3))
    }

    @Test func weightsMustEndWithTheirLastTensor() {
        let program = SmallPlan.program()
        for bytes in [0, VerifierTests.weightsBytes - 1, VerifierTests.weightsBytes + 4096, Int.max, Int.min, -1] {
            #expect(throws: PlanError.self) { try program.verify(weightsBytes: bytes) }
        }
    }

    @Test func extremeNumbersNeverTrap() {
        let extremes = [Int.min, Int.min + 1, -64, -1, 0, 1, 64, 1 << 24, 1 << 32, 1 << 58, Int.max - 63, Int.max]
        for value in extremes {
            let damages: [(inout Program) -> Void] = [
                { $0.maximumRows = value }, { $0.maximumOutputs = value }, { $0.contextLength = value },
                { $0.vocabularySize = value }, { $0.arenaBytes = value }, { $0.logits = BufferIndex(value) },
                { $0.buffers[3].width = value }, { $0.buffers[3].offset = value }, { $0.tensors[3].offset = value },
                { $0.tensors[3].layout = .vector(count: value) },
                { $0.tensors[3].layout = .matrix(.integer(.int4Affine, group: .columns128), rows: value, columns: 64) },
                { $0.tensors[3].layout = .matrix(.float32, rows: 64, columns: value) },
                { $0.tensors[3].layout = .matrix(.float32, rows: value, columns: value) },
                { $0.states[0] = .keysAndValues(heads: value, dimensions: 32, element: .float16) },
                { $0.states[0] = .keysAndValues(heads: value, dimensions: value, element: .float16) },
                {
                    $0.body[3] = .normalize(
                        input: BufferIndex(value), weight: nil, epsilon: 1, output: SmallPlan.normed)
                },
                {
                    $0.body[3] = .normalize(
                        input: SmallPlan.residual, weight: TensorIndex(value), epsilon: 1, output: SmallPlan.normed)
                },
                { $0.body[6] = SmallPlan.attend(state: StateIndex(value)) },
                { $0.body[6] = SmallPlan.attend(queryHeads: value) },
                { $0.body[6] = SmallPlan.attend(window: AttentionWindow(length: value, sinks: value)) },
            ]
            // Raised limits must not open the way to an overflow.
            var open = Limits.standard
            open.width = Int.max
            open.contextLength = Int.max
            open.arenaBytes = Int.max
            for damage in damages {
                var program = SmallPlan.program()
                damage(&program)
                for limits in [Limits.standard, open] {
                    _ = try? program.verify(weightsBytes: VerifierTests.weightsBytes, limits: limits)
                }
            }
        }
    }
}

extension SmallPlan {
    static func tensor(_ name: String) -> TensorIndex {
        TensorIndex(program().tensors.firstIndex { $0.name == [UInt8](name.utf8) } ?? -1)
    }
}
