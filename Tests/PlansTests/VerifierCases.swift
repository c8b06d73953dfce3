import Plans
import Testing

private typealias P = SmallPlan

private func window(_ length: Int, sinks: Int = 0) -> AttentionWindow { AttentionWindow(length: length, sinks: sinks) }

extension VerifierTests {
    static let limits: [Case] = [
        Case("no tensors", "the number of tensors is within its limit") { $0.tensors = [] },
        Case("no buffers", "the number of buffers is within its limit") { $0.buffers = [] },
        Case("no instructions", "the number of instructions is within its limit") { ($0.body, $0.head) = ([], []) },
        Case("no rows", "the rows of a step are within their limit") { $0.maximumRows = 0 },
        Case("too many rows", "the rows of a step are within their limit") { $0.maximumRows = 4097 },
        Case("no outputs", "the rows of the head are not more than those of a step") { $0.maximumOutputs = 0 },
        Case("more outputs than rows", "the rows of the head are not more than those of a step") {
            $0.maximumOutputs = 17
        },
        Case("no context", "the context length is within its limit") { $0.contextLength = 0 },
        Case("huge context", "the context length is within its limit") { $0.contextLength = (1 << 24) + 1 },
        Case("huge vocabulary", "the vocabulary's size is within its limit") { $0.vocabularySize = (1 << 24) + 1 },
        Case("huge arena", "the arena is within its limit") { $0.arenaBytes = 1 << 40 },
        Case("odd arena", "the arena is a multiple of 64 bytes") { $0.arenaBytes += 1 },
    ]

    static let tensors: [Case] = [
        Case("no name", "the length of a name is within its limit") { $0.tensors[1].name = [] },
        Case("long name", "the length of a name is within its limit") {
            $0.tensors[1].name = [UInt8](repeating: 65, count: 1025)
        },
        Case("overlong UTF-8", "a name is UTF-8 without control characters") { $0.tensors[1].name = [0xC0, 0xAF] },
        Case("surrogate", "a name is UTF-8 without control characters") { $0.tensors[1].name = [0xED, 0xA0, 0x80] },
        Case("escape", "a name is UTF-8 without control characters") { $0.tensors[1].name = [0x1B, 0x5B, 0x41] },
        Case("C1 control", "a name is UTF-8 without control characters") { $0.tensors[1].name = [0xC2, 0x9B] },
        Case("cut UTF-8", "a name is UTF-8 without control characters") { $0.tensors[1].name = [0xE2, 0x82] },
        Case("two of one name", "every tensor has its own name") { $0.tensors[5].name = $0.tensors[2].name },
        Case("no rows", "the rows of a matrix are within their limit") {
            $0.tensors[3].layout = .matrix(.integer(.int4Affine, group: .columns32), rows: 0, columns: 64)
        },
        Case("odd columns", "the columns of an integer packing are a multiple of 32") {
            $0.tensors[3].layout = .matrix(.integer(.int4Affine, group: .columns32), rows: 128, columns: 63)
        },
        Case("unaligned", "a tensor's offset is a multiple of 64") { $0.tensors[3].offset += 32 },
        Case("negative", "a tensor's offset is a multiple of 64") { $0.tensors[0].offset = -64 },
        Case("overlap", "tensors are sorted by offset and apart") { $0.tensors[3].offset -= 64 },
        Case("unsorted", "tensors are sorted by offset and apart") { $0.tensors.swapAt(9, 10) },
        Case("gap", "fewer than 4096 bytes lie between tensors") { $0.tensors[17].offset += 4096 },
        Case("outside", "a tensor lies inside the weights") { $0.tensors[17].offset += 64 },
        Case("cut", "the weights end with their last tensor") { $0.tensors.removeLast(5) },
    ]

    static let buffers: [Case] = [
        Case("empty row", "the width of a buffer is within its limit") { $0.buffers[2].width = 0 },
        Case("wide row", "the width of a buffer is within its limit") { $0.buffers[2].width = (1 << 24) + 1 },
        Case("unaligned", "a buffer's offset is a multiple of 64") { $0.buffers[2].offset += 4 },
        Case("negative", "a buffer's offset is a multiple of 64") { $0.buffers[2].offset = -64 },
        Case("outside", "a buffer lies inside the arena") { $0.buffers[2].offset = $0.arenaBytes - 64 },
        Case("arena too small", "a buffer lies inside the arena") { $0.arenaBytes -= 64 },
        Case("escape in a name", "a name is UTF-8 without control characters") { $0.buffers[2].name = [0x1B] },
    ]

    static let states: [Case] = [
        Case("no heads", "the number of heads is within its limit") {
            $0.states[0] = .keysAndValues(heads: 0, dimensions: 32, element: .float16)
        },
        Case("no dimensions", "the dimensions of a head are within their limit") {
            $0.states[0] = .keysAndValues(heads: 1, dimensions: 0, element: .float16)
        },
        Case("odd dimensions", "the dimensions of a head are even") {
            $0.states[0] = .keysAndValues(heads: 1, dimensions: 31, element: .float16)
        },
        Case("int8 in part of a group", "the dimensions of a head with an int8 cache are a multiple of 32") {
            $0.states[0] = .keysAndValues(heads: 1, dimensions: 48, element: .int8)
        },
        Case("huge state", "the size of a state can be computed") {
            $0.contextLength = 1 << 24
            $0.states[0] = .keysAndValues(heads: 1 << 24, dimensions: 1 << 24, element: .float16)
        },
        Case("never attended", "every state is attended once a step") { $0.states.append($0.states[0]) },
        Case("heads do not divide", "query heads are a multiple of the key heads") {
            $0.states[0] = .keysAndValues(heads: 3, dimensions: 32, element: .float16)
        },
    ]

    static let operandWidth = "an operand has the width that the instruction wants"
    static let operandElement = "an operand has the element kind that the instruction takes"

    static let operands: [Case] = [
        Case("unknown buffer", "a buffer exists") {
            $0.body[3] = .normalize(input: BufferIndex(12), weight: nil, epsilon: 1, output: P.normed)
        },
        Case("unknown tensor", "a tensor exists") {
            $0.body[0] = .embed(table: TensorIndex(18), first: 0, output: P.residual)
        },
        Case("unknown state", "a state exists") { $0.body[6] = P.attend(state: StateIndex(2)) },
        Case("vector as matrix", "an operand is a matrix") {
            $0.body[0] = .embed(table: P.tensor("norm"), first: 0, output: P.residual)
        },
        Case("matrix as vector", "an operand is a vector") {
            $0.body[2] = .rotaryTable(frequencies: P.tensor("0.o"), factor: 1, output: P.rotary)
        },
        Case("embedding rows", "an embedding has one row for every token") {
            $0.body[0] = .embed(table: P.tensor("0.o"), first: 0, output: P.residual)
        },
        Case("embedding width", operandWidth) {
            $0.body[0] = .embed(table: P.tensor("embedding"), first: 0, output: P.rotary)
        },
        Case("embed quantized", operandElement) {
            $0.body[0] = .embed(table: P.tensor("embedding"), first: 0, output: P.quantized)
        },
        Case("rotary width", operandWidth) {
            $0.body[2] = .rotaryTable(frequencies: P.tensor("frequencies"), factor: 1, output: P.normed)
        },
        Case("infinite factor", "a number is finite") {
            $0.body[2] = .rotaryTable(frequencies: P.tensor("frequencies"), factor: .infinity, output: P.rotary)
        },
        Case("norm width", "a norm keeps the width") {
            $0.body[3] = .normalize(input: P.residual, weight: nil, epsilon: 1, output: P.projected)
        },
        Case("norm weight", "a vector has the length that the instruction wants") {
            $0.body[3] = .normalize(input: P.residual, weight: P.tensor("0.bias"), epsilon: 1, output: P.normed)
        },
        Case("epsilon zero", "epsilon is finite and above zero") {
            $0.body[3] = .normalize(input: P.residual, weight: nil, epsilon: 0, output: P.normed)
        },
        Case("epsilon not a number", "epsilon is finite and above zero") {
            $0.body[3] = .normalize(input: P.residual, weight: nil, epsilon: .nan, output: P.normed)
        },
        Case("quantize to float", operandElement) { $0.body[4] = .quantize(input: P.normed, output: P.attendedFloat) },
        Case("quantize another width", operandWidth) { $0.body[4] = .quantize(input: P.rotary, output: P.quantized) },
        Case("integer matrix, float input", operandElement) {
            $0.body[5] = .multiply(
                input: P.normed, weight: P.tensor("0.qkv"), bias: nil, output: P.projected, column: 0, accumulate: false
            )
        },
        Case("float matrix, quantized input", operandElement) {
            $0.body[5] = .multiply(
                input: P.quantized, weight: P.tensor("1.qkv"), bias: nil, output: P.projected, column: 0,
                accumulate: false)
        },
        Case("columns", "the input is as wide as the matrix has columns") {
            $0.body[5] = .multiply(
                input: P.rotary, weight: P.tensor("1.qkv"), bias: nil, output: P.projected, column: 0, accumulate: false
            )
        },
        Case("rows", "a product fits into its output's rows") {
            $0.body[5] = .multiply(
                input: P.quantized, weight: P.tensor("0.qkv"), bias: nil, output: P.normed, column: 0, accumulate: false
            )
        },
        Case("column past the row", "a product fits into its output's rows") {
            $0.body.insert(
                .multiply(
                    input: P.quantized, weight: P.tensor("0.qkv"), bias: nil, output: P.projected, column: 1,
                    accumulate: false), at: 6)
        },
        Case("bias", "a vector has the length that the instruction wants") {
            $0.body[5] = .multiply(
                input: P.quantized, weight: P.tensor("0.qkv"), bias: P.tensor("norm"), output: P.projected, column: 0,
                accumulate: false)
        },
        Case("projection width", operandWidth) { $0.body[6] = P.attend(queryHeads: 1) },
        Case("no query heads", "the heads fit the projection") { $0.body[6] = P.attend(queryHeads: 0) },
        Case("rotary of another width", operandWidth) { $0.body[6] = P.attend(rotary: P.normed) },
        Case("query norm", "a vector has the length that the instruction wants") {
            $0.body[6] = P.attend(queryNorm: P.tensor("norm"), epsilon: 1)
        },
        Case("query norm's epsilon", "epsilon is finite and above zero") {
            $0.body[6] = P.attend(queryNorm: P.tensor("1.query_norm"), epsilon: 0)
        },
        Case("infinite scale", "a number is finite") { $0.body[6] = P.attend(scale: .infinity) },
        Case("no window", "the window is within its limit") { $0.body[6] = P.attend(window: window(0)) },
        Case("huge window", "the window is within its limit") { $0.body[6] = P.attend(window: window(1 << 31)) },
        Case("negative sinks", "a window has at most 256 sinks") {
            $0.body[6] = P.attend(window: window(8, sinks: -1))
        },
        Case("many sinks", "a window has at most 256 sinks") { $0.body[6] = P.attend(window: window(8, sinks: 257)) },
        Case("attention width", "attention returns a value for every query") {
            $0.body[6] = P.attend(output: P.rotary)
        },
        Case("gate width", operandWidth) { $0.body[10] = .gate(input: P.normed, output: P.gated) },
        Case("gate of quantized", operandElement) { $0.body[10] = .gate(input: P.quantized, output: P.gated) },
        Case("select another width", "selected rows keep their width") {
            $0.head[0] = .selectRows(input: P.rotary, output: P.picked)
        },
        Case("select another element", operandElement) {
            $0.head[0] = .selectRows(input: P.quantized, output: P.picked)
        },
        Case("logits width", "logits are float32 and as wide as the vocabulary") { $0.logits = P.picked },
    ]

    static let written = "a buffer is written before it is read"
    private static let rows = "the body's buffers have the step's rows, the head's those asked for"
    private static let phase = "the head neither embeds, rotates nor attends"

    static let order: [Case] = [
        Case("read before written", written) { $0.body.swapAt(3, 4) },
        Case("accumulate into nothing", written) { $0.body.removeFirst(2) },
        Case("attend what was not projected", written) {
            $0.body[6] = P.attend(projected: P.gateUp)
        },
        Case("attend twice", "every state is attended once a step") { $0.body.insert(P.attend(), at: 7) },
        Case("in place", "an instruction does not write what it reads") {
            $0.body[3] = .normalize(input: P.residual, weight: nil, epsilon: 1, output: P.residual)
        },
        Case("accumulate over the input", "an instruction does not write what it reads") {
            $0.body[16] = .multiply(
                input: P.residual, weight: P.tensor("1.o"), bias: nil, output: P.residual, column: 0, accumulate: true)
        },
        Case("head's rows in the body", rows) {
            $0.body[3] = .normalize(input: P.residual, weight: nil, epsilon: 1, output: P.pickedNormed)
        },
        Case("body's rows in the head", rows) {
            $0.head[1] = .normalize(input: P.residual, weight: nil, epsilon: 1, output: P.pickedNormed)
        },
        Case("select in the body", "rows are selected in the head") {
            $0.body.append(.selectRows(input: P.residual, output: P.picked))
        },
        Case("select what the body never wrote", written) {
            $0.buffers.append(Buffer(name: [65], element: .float32, rows: .step, width: 64, offset: 0))
            $0.head[0] = .selectRows(input: BufferIndex(12), output: P.picked)
        },
        Case("select into the step's rows", "rows are selected from the step's to the head's") {
            $0.head[0] = .selectRows(input: P.residual, output: P.normed)
        },
        Case("embed in the head", phase) {
            $0.head.insert(.embed(table: P.tensor("embedding"), first: 0, output: P.pickedNormed), at: 1)
        },
        Case("logits never written", "the head writes the logits") { $0.head.removeLast(2) },
        Case("no head", "the head writes the logits") { $0.head = [] },
        Case("logits that do not exist", "the head writes the logits") { $0.logits = BufferIndex(-1) },
    ]

    private static let apart = "values that live at the same time lie apart"

    static let memory: [Case] = [
        Case("output over input", apart) { $0.buffers[P.normed.value].offset = $0.buffers[P.residual.value].offset },
        Case("output ends inside input", apart) {
            $0.buffers[P.gated.value].offset = $0.buffers[P.gateUp.value].offset
        },
        Case("one line shared", apart) { $0.buffers[P.rotary.value].offset -= 64 },
        Case("over a value of an earlier layer", apart) {
            $0.buffers[P.gateUp.value].offset = $0.buffers[P.rotary.value].offset
        },
        Case("projected reused while it is attended", apart) {
            $0.buffers[P.attended.value].offset = $0.buffers[P.projected.value].offset + 128
        },
        Case("head over what it selects again", apart) {
            $0.buffers[P.logits.value].offset = $0.buffers[P.residual.value].offset
        },
    ]

    @Test func deadValuesMayBeOverwritten() throws {
        var program = SmallPlan.program()
        // The step's working buffers are dead when the head runs.
        program.buffers[SmallPlan.logits.value].offset = program.buffers[SmallPlan.gateUp.value].offset
        program.buffers[SmallPlan.picked.value].offset = program.buffers[SmallPlan.rotary.value].offset
        try program.verify(weightsBytes: VerifierTests.weightsBytes)
    }
}
