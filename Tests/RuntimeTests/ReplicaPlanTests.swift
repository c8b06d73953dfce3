import Plans
import Testing

@testable import Runtime

@Suite struct ReplicaPlanTests {
    private static let hidden = BufferIndex(0)
    private static let normalized = BufferIndex(1)
    private static let gates = BufferIndex(2)
    private static let gated = BufferIndex(3)
    private static let down = BufferIndex(4)
    private static let logits = BufferIndex(5)

    /// A feed-forward whose last product goes to a buffer of its own, at `downOffset` in the arena.
    private func program(downOffset: Int, body extra: [Instruction] = []) -> Program {
        func buffer(width: Int, offset: Int, element: Buffer.Element = .float32) -> Buffer {
            Buffer(name: [], element: element, rows: .step, width: width, offset: offset)
        }
        func multiply(_ input: BufferIndex, _ output: BufferIndex, accumulate: Bool = false) -> Instruction {
            .multiply(
                input: input, weight: TensorIndex(0), bias: nil, output: output, column: 0, accumulate: accumulate)
        }
        return Program(
            tensors: [Tensor(name: [], layout: .matrix(.float32, rows: 64, columns: 64), offset: 0)],
            buffers: [
                buffer(width: 64, offset: 0), buffer(width: 64, offset: 4096), buffer(width: 128, offset: 8192),
                buffer(width: 64, offset: 16384), buffer(width: 64, offset: downOffset),
                buffer(width: 64, offset: 32768),
            ],
            states: [],
            body: [
                .embed(table: TensorIndex(0), first: 0, output: Self.hidden),
                .normalize(input: Self.hidden, weight: nil, epsilon: 1, output: Self.normalized),
                multiply(Self.normalized, Self.gates),
                .gate(input: Self.gates, output: Self.gated),
                multiply(Self.gated, Self.down),
            ] + extra,
            head: [.normalize(input: Self.down, weight: nil, epsilon: 1, output: Self.logits)], logits: Self.logits,
            maximumRows: 16, maximumOutputs: 4, contextLength: 64, vocabularySize: 64, arenaBytes: 65536)
    }

    @Test func whatIsComputedRowByRowIsRepeated() {
        let plan = ReplicaPlan(program(downOffset: 24576))
        #expect(plan.offsets[Self.normalized.value] != nil)
        #expect(plan.offsets[Self.gated.value] != nil)
        #expect(plan.offsets[Self.hidden.value] == nil)
        #expect(plan.offsets[Self.gates.value] == nil)
        // The logits are read by the session, from the arena.
        #expect(plan.offsets[Self.logits.value] == nil)
        #expect(plan.byteCount > 0 && plan.byteCount % 64 == 0)
    }

    /// The product behind the gate may lie where the gate reads: without a barrier a fast thread would overwrite it.
    @Test func aGateWhoseInputIsOverwrittenNextIsShared() {
        for offset in [8192, 8192 + 128 * 4 * 16 - 64] {
            let plan = ReplicaPlan(program(downOffset: offset))
            #expect(plan.offsets[Self.gated.value] == nil)
            #expect(plan.offsets[Self.normalized.value] != nil)
        }
    }

    /// A product writes parts of rows on each thread, so no thread would have whole ones.
    @Test func aBufferThatAProductAlsoWritesIsShared() {
        let plan = ReplicaPlan(
            program(
                downOffset: 24576,
                body: [
                    .multiply(
                        input: Self.down, weight: TensorIndex(0), bias: nil, output: Self.normalized, column: 0,
                        accumulate: false)
                ]))
        #expect(plan.offsets[Self.normalized.value] == nil)
    }

    @Test func valuesThatLiveTogetherLieApart() {
        // The normalized rows are read again behind the gate.
        let program = program(
            downOffset: 24576,
            body: [
                .multiply(
                    input: Self.normalized, weight: TensorIndex(0), bias: nil, output: Self.gates, column: 0,
                    accumulate: false)
            ])
        let plan = ReplicaPlan(program)
        guard let first = plan.offsets[Self.normalized.value], let second = plan.offsets[Self.gated.value] else {
            Issue.record("both are repeated")
            return
        }
        #expect(abs(first - second) >= 64 * 4 * ReplicaPlan.maximumRows)
        // Where one is dead before the other begins, they share a place.
        let short = ReplicaPlan(self.program(downOffset: 24576))
        #expect(short.offsets[Self.normalized.value] == short.offsets[Self.gated.value])
    }
}
