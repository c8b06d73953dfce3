import Foundation
import Plans

/// A tiny transformer of two layers and a feed-forward block, written by hand, that uses every instruction, every packing
/// and both cache types.
enum SmallPlan {
    static let hidden = 64
    static let vocabulary = 40
    /// Tokens of the embedding's first table.
    static let frequent = 32
    static let queryHeads = 2
    static let dimensions = 32
    static let facts = [UInt8](#"{"source":"by hand"}"#.utf8)
    static let chatTemplate = [UInt8]("{{ messages }}".utf8)
    static let tokenizer = [UInt8]((0..<100).map { UInt8($0) })

    /// The program; buffers are reused from layer to layer and `gate up` lies where `projected` was.
    static func program() -> Program {
        let tensors = tensors()
        let index = Dictionary(
            uniqueKeysWithValues: tensors.enumerated().map { (String(decoding: $1.name, as: UTF8.self), $0) })
        func tensor(_ name: String) -> TensorIndex { TensorIndex(index[name] ?? -1) }
        let epsilon: Float = 1e-5
        var body: [Instruction] = [
            .embed(table: tensor("embedding"), first: 0, output: residual),
            .embed(table: tensor("embedding.rare"), first: frequent, output: residual),
            .rotaryTable(frequencies: tensor("frequencies"), factor: 1, output: rotary),
            .normalize(input: residual, weight: tensor("0.norm"), epsilon: epsilon, output: normed),
            .quantize(input: normed, output: quantized),
            .multiply(
                input: quantized, weight: tensor("0.qkv"), bias: tensor("0.bias"), output: projected, column: 0,
                accumulate: false
            ),
            attend(epsilon: 0, scale: 0.176),
            .multiply(input: attended, weight: tensor("0.o"), bias: nil, output: residual, column: 0, accumulate: true),
        ]
        body += feedForward(up: tensor("0.up"), down: tensor("0.down"))
        body += [
            .normalize(input: residual, weight: nil, epsilon: epsilon, output: normed),
            .multiply(
                input: normed, weight: tensor("1.qkv"), bias: nil, output: projected, column: 0, accumulate: false),
            attend(
                state: StateIndex(1), queryNorm: tensor("1.query_norm"), keyNorm: tensor("1.key_norm"),
                epsilon: epsilon, scale: 0.176, window: AttentionWindow(length: 8), output: attendedFloat),
            .multiply(
                input: attendedFloat, weight: tensor("1.o"), bias: nil, output: residual, column: 0, accumulate: true),
        ]
        body += feedForward(up: tensor("1.up"), down: tensor("1.down"))
        body += feedForward(up: tensor("2.up"), down: tensor("2.down"))
        let (buffers, arenaBytes) = buffers()
        return Program(
            tensors: tensors, buffers: buffers,
            states: [
                .keysAndValues(heads: 1, dimensions: dimensions, element: .float16),
                .keysAndValues(heads: 1, dimensions: dimensions, element: .float32),
            ],
            body: body,
            head: [
                .selectRows(input: residual, output: picked),
                .normalize(input: picked, weight: tensor("norm"), epsilon: epsilon, output: pickedNormed),
                .multiply(
                    input: pickedNormed, weight: tensor("embedding"), bias: nil, output: logits, column: 0,
                    accumulate: false),
                .multiply(
                    input: pickedNormed, weight: tensor("embedding.rare"), bias: nil, output: logits,
                    column: frequent, accumulate: false),
            ],
            logits: logits, maximumRows: 16, maximumOutputs: 4, contextLength: 256, vocabularySize: vocabulary,
            arenaBytes: arenaBytes)
    }

    /// Attention with the operands of the first layer, but for those given.
    static func attend(
        projected: BufferIndex = projected, rotary: BufferIndex = rotary, state: StateIndex = StateIndex(0),
        queryHeads: Int = queryHeads, queryNorm: TensorIndex? = nil, keyNorm: TensorIndex? = nil, epsilon: Float = 0,
        scale: Float = 1, window: AttentionWindow? = nil, output: BufferIndex = attended
    ) -> Instruction {
        .attend(
            SoftmaxAttention(
                projected: projected, rotary: rotary, state: state, queryHeads: queryHeads, queryNorm: queryNorm,
                keyNorm: keyNorm, epsilon: epsilon, scale: scale, window: window, output: output))
    }

    static let residual = BufferIndex(0)
    static let rotary = BufferIndex(1)
    static let normed = BufferIndex(2)
    static let quantized = BufferIndex(3)
    static let projected = BufferIndex(4)
    static let attended = BufferIndex(5)
    static let attendedFloat = BufferIndex(6)
    static let gateUp = BufferIndex(7)
    static let gated = BufferIndex(8)
    static let picked = BufferIndex(9)
    static let pickedNormed = BufferIndex(10)
    static let logits = BufferIndex(11)

    private static func feedForward(up: TensorIndex, down: TensorIndex) -> [Instruction] {
        [
            .normalize(input: residual, weight: nil, epsilon: 1e-5, output: quantized),
            .multiply(input: quantized, weight: up, bias: nil, output: gateUp, column: 0, accumulate: false),
            .gate(input: gateUp, output: gated),
            .multiply(input: gated, weight: down, bias: nil, output: residual, column: 0, accumulate: true),
        ]
    }

    private static func buffers() -> ([Buffer], arenaBytes: Int) {
        let shapes: [(String, Buffer.Element, Buffer.Rows, Int)] = [
            ("residual", .float32, .step, hidden), ("rotary", .float32, .step, dimensions),
            ("normed", .float32, .step, hidden), ("quantized", .quantized, .step, hidden),
            ("projected", .float32, .step, 128), ("attended", .quantized, .step, hidden),
            ("attended float", .float32, .step, hidden), ("gate up", .float32, .step, 128),
            ("gated", .quantized, .step, hidden), ("picked", .float32, .outputs, hidden),
            ("picked normed", .float32, .outputs, hidden), ("logits", .float32, .outputs, vocabulary),
        ]
        var buffers: [Buffer] = []
        var end = 0
        for (name, element, rows, width) in shapes {
            var buffer = Buffer(name: [UInt8](name.utf8), element: element, rows: rows, width: width, offset: end)
            if name == "gate up" {
                buffer.offset = buffers[projected.value].offset
            } else {
                end += (buffer.rowStride ?? 0) * (rows == .step ? 16 : 4)
            }
            buffers.append(buffer)
        }
        return (buffers, end)
    }

    private static func tensors() -> [Tensor] {
        let layouts: [(String, Tensor.Layout)] = [
            ("embedding", .matrix(.float16, rows: frequent, columns: hidden)),
            ("frequencies", .vector(count: dimensions / 2)),
            ("0.norm", .vector(count: hidden)),
            ("0.qkv", .matrix(.integer(.int4Symmetric, group: .columns32), rows: 128, columns: hidden)),
            ("0.bias", .vector(count: 128)),
            ("0.o", .matrix(.integer(.int4Affine, group: .columns32), rows: hidden, columns: hidden)),
            ("0.up", .matrix(.integer(.int5Symmetric, group: .columns64), rows: 128, columns: hidden)),
            ("0.down", .matrix(.integer(.int5Affine, group: .columns32), rows: hidden, columns: hidden)),
            ("1.qkv", .matrix(.bfloat16, rows: 128, columns: hidden)),
            ("1.query_norm", .vector(count: dimensions)),
            ("1.key_norm", .vector(count: dimensions)),
            ("1.o", .matrix(.float32, rows: hidden, columns: hidden)),
            ("1.up", .matrix(.integer(.int8Symmetric, group: .columns32), rows: 128, columns: hidden)),
            ("1.down", .matrix(.integer(.int6Symmetric, group: .columns32), rows: hidden, columns: hidden)),
            // The only group of a row may be shorter than its size.
            ("2.up", .matrix(.integer(.int3Centered, group: .columns128), rows: 128, columns: hidden)),
            ("2.down", .matrix(.integer(.int2Centered, group: .columns64), rows: hidden, columns: hidden)),
            ("embedding.rare", .matrix(.bfloat16, rows: vocabulary - frequent, columns: hidden)),
            ("norm", .vector(count: hidden)),
        ]
        var tensors: [Tensor] = []
        var end = 0
        for (name, layout) in layouts {
            let tensor = Tensor(name: [UInt8](name.utf8), layout: layout, offset: (end + 63) / 64 * 64)
            end = tensor.offset + (tensor.byteCount ?? 0)
            tensors.append(tensor)
        }
        return tensors
    }

    /// Writes a plan of the given program and weights to a path.
    @discardableResult
    static func write(_ path: String, program: Program = program(), weights: [UInt8]? = nil) throws -> Int {
        let weights = weights ?? LogicalWeights.pack(program.tensors)
        var writer = try PlanWriter(path: path, weightsBytes: weights.count)
        try writer.append(weights)
        return try writer.finish(
            program: program, tokenizer: tokenizer, chatTemplate: chatTemplate, facts: facts)
    }

    /// The bytes of the whole plan file.
    static func bytes(program: Program = program()) throws -> [UInt8] {
        try withTemporaryDirectory { directory in
            try write(directory + "/small.plan", program: program)
            return [UInt8](try Data(contentsOf: URL(fileURLWithPath: directory + "/small.plan")))
        }
    }
}

/// Runs a body with the path of a new folder that is removed afterwards.
func withTemporaryDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("plans-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: url) }
    return try body(url.path)
}
