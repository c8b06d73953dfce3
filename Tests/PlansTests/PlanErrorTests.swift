import Plans
import Testing

@Suite struct PlanErrorTests {
    private func cause(_ error: PlanError) -> String { String(decoding: error.cause, as: UTF8.self) }

    @Test func theCauseIsOneLineWithPlaceExpectationAndFinding() {
        #expect(
            cause(
                PlanError(
                    .invalid, "a buffer exists", at: .body(7), expected: .range(0, 11), found: .number(-12),
                    path: [UInt8]("a.plan".utf8)))
                == "a.plan: body instruction 7: a buffer exists: expected 0 to 11, found -12")
        #expect(
            cause(PlanError(.unsupported, "the packing is known", at: .tensor(3), found: .number(42)))
                == "tensor 3: the packing is known: 42")
        #expect(
            cause(PlanError(.invalid, "r", at: .sectionOffset(2, 16), expected: .bits(0xAB), found: .number(Int.min)))
                == "section 2, byte 16: r: expected 00000000000000ab, found -9223372036854775808")
        #expect(
            cause(
                PlanError(.missing, "the file can be opened", at: .file, found: .system(2), path: [0x61, 0x1B, 0x0A]))
                == "a??: the file can be opened: No such file or directory")
    }

    @Test(arguments: [PlanError.Category.runtime, .invalid, .missing, .unsupported, .cannotWrite])
    func everyCategoryHasARemedyOfOneLine(category: PlanError.Category) {
        let remedy = PlanError(category, "r", at: .file).remedy
        #expect(!remedy.isEmpty && !remedy.contains(10))
    }

    @Test func sectionLimitsFollowFromTheOthers() throws {
        let bytes = try SmallPlan.bytes()
        var limits = Limits.standard
        limits.buffers = 12
        limits.nameBytes = 20
        limits.instructions = 28
        limits.states = 2
        _ = try Plan(bytes: bytes, limits: limits)
        limits.instructions = 27
        #expect(throws: PlanError.self) { try Plan(bytes: bytes, limits: limits) }
        limits.instructions = Int.max
        limits.nameBytes = Int.max
        limits.tensors = Int.max
        limits.buffers = Int.max
        _ = try Plan(bytes: bytes, limits: limits)
    }
}
