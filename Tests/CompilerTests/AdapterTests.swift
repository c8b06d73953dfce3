import Checkpoints
import Compiler
import Foundation
import Lowering
import Models
import Passes
import Testing

/// An adapter's file with matrices of counting values.
private struct AdapterBuilder {
    struct Matrix {
        let name: String
        let shape: [Int]
        var value: (Int) -> Float = { Float($0 % 7 - 3) / 64 }
    }

    var metadata: [String: String] = [:]
    var matrices: [Matrix] = []

    /// Both factors of a change of `rows` x `columns`.
    mutating func add(_ stem: String, rows: Int, columns: Int, rank: Int = 2, scale: Float = 1) {
        matrices.append(Matrix(name: stem + ".lora_A.weight", shape: [rank, columns]))
        matrices.append(Matrix(name: stem + ".lora_B.weight", shape: [rows, rank]) { scale * Float($0 % 5 - 2) / 8 })
    }

    /// Calls `body` with the file's path.
    func withFile<Result>(_ body: (String) throws -> Result) throws -> Result {
        let tensors = matrices.map { matrix in
            let values = (0..<matrix.shape.reduce(1, *)).map(matrix.value)
            return (matrix.name, "F32", matrix.shape, values.withUnsafeBytes { Data($0) })
        }
        let url = FileManager.default.temporaryDirectory.appending(path: "lathe-test-\(UUID().uuidString).safetensors")
        defer { try? FileManager.default.removeItem(at: url) }
        try SafetensorsImage.data(tensors, metadata: metadata).write(to: url)
        return try body(url.path)
    }
}

@Suite("Adapters")
struct AdapterTests {
    @Test("receivers, added and replaced matrices give the logits of numpy in float64")
    func golden() throws {
        let folder = TestModel.resource("shared_attention")
        let adapter = try Adapter(folder + "/adapter.safetensors")
        #expect(adapter.receivers.map(\.layer) == [3, 4] && adapter.receivers.map(\.donor) == [2, 2])
        #expect(adapter.receivers.map(\.headMap) == [[2, 3, 0, 1], [1, 1, 3, 1]])
        #expect(adapter.summary == "7 matrices changed by one of low rank, 2 replaced")
        let model = try TestModel(folder, precision: .f32) { model in
            let maps = Dictionary(uniqueKeysWithValues: adapter.receivers.map { ($0.layer, $0.headMap) })
            model = try ShareAttention([.init(3...4, headMaps: maps)]).apply(to: model).model
            try model.apply(adapter)
        }
        struct Golden: Decodable { let tokens: [UInt32] }
        let tokens = try JSONDecoder().decode(
            Golden.self, from: Data(contentsOf: URL(filePath: folder + "/golden.json"))
        ).tokens
        let expected = try Data(contentsOf: URL(filePath: folder + "/adapter.bin")).withUnsafeBytes { bytes in
            (0..<bytes.count / 8).map { bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Double.self) }
        }
        let logits = try model.logits(of: tokens).flatMap { $0 }
        #expect(logits.count == expected.count)
        #expect(zip(logits, expected).reduce(0.0) { max($0, abs(Double($1.0) - $1.1)) } < 1e-4)
    }

    @Test(
        "windows with features behind them and without, and grouped attention with taps and without, give the logits of numpy in float64"
    )
    func linearized() throws {
        let folder = TestModel.resource("linear_attention")
        let adapter = try Adapter(folder + "/adapter.safetensors")
        #expect(adapter.linearized.keys.sorted() == Array(0..<6))
        let golden = try LinearAttentionGolden()
        let model = try TestModel(TestModel.resource("shared_attention"), precision: .f32, maximumRows: 16) { model in
            model = try LinearizeAttention(adapter.linearized).apply(to: model).model
            try model.apply(adapter)
        }
        for chunk in [1, 16] {
            try golden.expect(model, chunk: chunk)
        }
    }

    @Test("queries and keys are changed alike whatever the order of their rows in the file")
    func rowOrder() throws {
        var builder = AdapterBuilder()
        builder.add("model.layers.0.self_attn.q_proj", rows: 32, columns: 32)
        builder.add("model.layers.1.self_attn.k_proj", rows: 16, columns: 32)
        let adapter = try builder.withFile { try Adapter($0) }
        let paths = ["llama", "llama/model.gguf"].map(TestModel.resource)
        let prompt: [UInt32] = [1, 5, 9, 2, 40, 7]
        let dense = try TestModel(paths[0], precision: .f32).logits(of: prompt)
        let adapted = try paths.map { path in
            try TestModel(path, precision: .f32) { try $0.apply(adapter) }.logits(of: prompt)
        }
        #expect(adapted[0] == adapted[1])
        #expect(adapted[0] != dense)
    }

    @Test("a changed matrix is not kept as it was stored")
    func keep() throws {
        var builder = AdapterBuilder()
        builder.add("model.layers.0.self_attn.v_proj", rows: 32, columns: 64, scale: 16)
        let adapter = try builder.withFile { try Adapter($0) }
        let path = TestModel.resource("quantized/model.gguf")
        let prompt: [UInt32] = [1, 5, 9, 2, 40, 7]
        func logits(_ change: Bool, _ precision: WeightPrecision) throws -> [Float] {
            try TestModel(path, precision: precision) { if change { try $0.apply(adapter) } }.logits(of: prompt)
                .flatMap { $0 }
        }
        func distance(_ a: [Float], _ b: [Float]) -> Float { zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) } }
        let (kept, changed) = (try logits(false, .keep), try logits(true, .keep))
        #expect(distance(changed, try logits(true, .f32)) < 0.2 * distance(changed, kept))
    }

    @Test("some rows of a changed matrix are those of the whole one")
    func slices() throws {
        var builder = AdapterBuilder()
        builder.add("model.layers.0.self_attn.q_proj", rows: 32, columns: 32)
        let adapter = try builder.withFile { try Adapter($0) }
        var model = try Model(try Checkpoint.open(TestModel.resource("llama/model.gguf")))
        try model.apply(adapter)
        guard case .attention(let attention) = model.blocks[0].mixer else {
            Issue.record("no attention")
            return
        }
        let whole = attention.query.weight.values()
        #expect(attention.query.weight.slice(rows: 5..<9).values() == Array(whole[5 * 32..<9 * 32]))
    }

    @Test("what is no adapter is refused by the name of what is wrong")
    func damaged() throws {
        typealias Matrix = AdapterBuilder.Matrix
        let q = "model.layers.0.self_attn.q_proj"
        let good = Matrix(name: q + ".weight", shape: [64, 64])
        let cases: [(String, [String: String], [Matrix])] = [
            ("expected changes of matrices, found none", [:], []),
            (
                "expected a matrix of a layer's attention", [:],
                [Matrix(name: "model.embed_tokens.weight", shape: [2, 2])]
            ),
            ("expected a matrix of a layer's attention", [:], [Matrix(name: q + ".lora_C.weight", shape: [2, 2])]),
            (
                "expected a matrix of a layer's attention", [:],
                [Matrix(name: "model.layers.-1.mlp.up_proj.weight", shape: [2, 2])]
            ),
            (
                "expected a matrix of a layer's attention", [:],
                [Matrix(name: "model.layers.00.mlp.up_proj.weight", shape: [2, 2])]
            ),
            ("expected a matrix, found shape [4]", [:], [Matrix(name: q + ".weight", shape: [4])]),
            ("expected a matrix, found shape [0, 4]", [:], [Matrix(name: q + ".weight", shape: [0, 4])]),
            ("expected finite values", [:], [Matrix(name: q + ".weight", shape: [2, 2]) { $0 == 3 ? .infinity : 0 }]),
            (
                "expected lora_B.weight and no weight beside it", [:],
                [Matrix(name: q + ".lora_A.weight", shape: [2, 64])]
            ),
            ("expected lora_A.weight beside it", [:], [Matrix(name: q + ".lora_B.weight", shape: [64, 2])]),
            (
                "expected lora_B.weight and no weight beside it", [:],
                [
                    good, Matrix(name: q + ".lora_A.weight", shape: [2, 64]),
                    Matrix(name: q + ".lora_B.weight", shape: [64, 2]),
                ]
            ),
            (
                "expected as many rows as lora_B.weight has columns, found shapes [3, 64] and [64, 2]", [:],
                [
                    Matrix(name: q + ".lora_A.weight", shape: [3, 64]),
                    Matrix(name: q + ".lora_B.weight", shape: [64, 2]),
                ]
            ),
            ("found no array", ["shared_attention": "{}"], [good]),
            ("found something else", ["shared_attention": "[1]"], [good]),
            ("found something else", ["shared_attention": #"[{"layer":1,"donor":0,"head_map":[0,"1"]}]"#], [good]),
            ("found layer 1 with donor 1", ["shared_attention": #"[{"layer":1,"donor":1,"head_map":[0]}]"#], [good]),
            (
                "found layer -9223372036854775808 with donor 0",
                [
                    "shared_attention":
                        #"[{"layer":1,"donor":0,"head_map":[]},{"layer":-9223372036854775808,"donor":0,"head_map":[]}]"#
                ], [good]
            ),
            ("found layer 5 with donor 0", ["shared_attention": #"[{"layer":5,"donor":0,"head_map":[0]}]"#], [good]),
            (
                "found layer 2 with donor 1",
                ["shared_attention": #"[{"layer":2,"donor":1,"head_map":[0]},{"layer":2,"donor":1,"head_map":[0]}]"#],
                [good]
            ),
            ("found layer 0 with donor -1", ["shared_attention": #"[{"layer":0,"donor":-1,"head_map":[0]}]"#], [good]),
        ]
        let windows: [(String, String)] = [
            ("found no array", "{}"), ("found something else", #"[{"layer":0,"length":8}]"#),
            ("found something else", #"[{"layer":0,"length":1e300,"sinks":0}]"#),
            ("found layer -1 out of order", #"[{"layer":-1,"length":8,"sinks":0}]"#),
            (
                "found layer 1 out of order",
                #"[{"layer":1,"length":8,"sinks":0},{"layer":1,"length":9,"sinks":0}]"#
            ),
        ]
        let grouped: [(String, String)] = [
            ("found no array", "{}"), ("found something else", #"[{"layer":0,"group":8}]"#),
            ("found something else", #"[{"layer":0,"group":"8","alpha":1}]"#),
            ("found something else", #"[{"layer":0,"group":8,"alpha":1e300}]"#),
            ("found layer -1 out of order", #"[{"layer":-1,"group":8,"alpha":1}]"#),
            (
                "found layer 1 out of order", #"[{"layer":1,"group":8,"alpha":1},{"layer":1,"group":8,"alpha":1}]"#
            ),
        ]
        let taps = Matrix(name: "model.layers.1.self_attn.convolution.weight", shape: [4])
        let more: [(String, [String: String], [Matrix])] = [
            ("expected a matrix of a layer's attention", [:], [taps]),
            (
                "expected a matrix, found shape [4]", ["grouped_attention": #"[{"layer":1,"group":8,"alpha":1}]"#],
                [taps]
            ),
        ]
        let hybrids: [(String, String)] = [
            ("found no array", "{}"), ("found something else", #"[{"layer":0,"length":8,"sinks":0}]"#),
            (
                "expected a tensor model.layers.0.self_attn.feature_map_q.weight, found none",
                #"[{"layer":0,"length":8,"sinks":0,"block":4}]"#
            ),
            ("found layer -1 out of order", #"[{"layer":-1,"length":8,"sinks":0,"block":4}]"#),
        ]
        let gate = Matrix(name: "model.layers.1.self_attn.gate.weight", shape: [2, 2])
        let features: [(String, [String: String], [Matrix])] =
            [("expected a matrix of a layer's attention", [:], [gate])]
            + hybrids.map { ($0.0, ["hybrid_attention": $0.1], [good]) }
        for (cause, metadata, matrices) in cases + more + features + windows.map({ ($0.0, ["windows": $0.1], [good]) })
            + grouped.map({ ($0.0, ["grouped_attention": $0.1], [good]) })
        {
            let error = #expect(throws: CheckpointError.self) {
                try AdapterBuilder(metadata: metadata, matrices: matrices).withFile { _ = try Adapter($0) }
            }
            #expect(error?.cause.contains(cause) == true, "\(cause): \(error?.cause ?? "")")
        }
    }

    @Test("windows alone are an adapter")
    func windows() throws {
        let text = #"[{"layer":0,"length":8,"sinks":0},{"layer":3,"length":9223372036854775807,"sinks":-5}]"#
        let adapter = try AdapterBuilder(metadata: ["windows": text]).withFile { try Adapter($0) }
        #expect(
            adapter.linearized == [
                0: .window(Models.AttentionWindow(length: 8)),
                3: .window(Models.AttentionWindow(length: .max, sinks: -5)),
            ])
    }

    @Test("the fuzzer's seeds are adapters, one of them masks; whatever else it found is refused or read")
    func storedInputs() throws {
        let fuzz = URL(filePath: #filePath).appending(path: "../../../Fuzz").standardized.path
        let manager = FileManager.default
        for name in try manager.contentsOfDirectory(atPath: fuzz + "/Seeds/adapter") {
            let path = fuzz + "/Seeds/adapter/" + name
            if name.hasPrefix("masks") { _ = try MaskAdapter(path) } else { _ = try Adapter(path) }
        }
        for name in (try? manager.contentsOfDirectory(atPath: fuzz + "/Crashers/adapter")) ?? [] {
            _ = try? Adapter(fuzz + "/Crashers/adapter/" + name)
            _ = try? MaskAdapter(fuzz + "/Crashers/adapter/" + name)
        }
    }

    @Test("an adapter of another model is refused, and nothing of the model is left to use")
    func otherModels() throws {
        let model = try Model(try Checkpoint.open(TestModel.resource("llama/model.gguf")))
        for (cause, stem, rows, columns) in [
            ("expected one of 2 layers, found layer 2", "model.layers.2.mlp.up_proj", 64, 32),
            ("expected a change of 32 x 32, found one of 32 x 64", "model.layers.0.self_attn.q_proj", 32, 64),
            ("expected a change of 32 x 32, found one of 64 x 32", "model.layers.0.self_attn.q_proj", 64, 32),
        ] {
            var builder = AdapterBuilder()
            builder.add(stem, rows: rows, columns: columns)
            let adapter = try builder.withFile { try Adapter($0) }
            let error = #expect(throws: CheckpointError.self) {
                var changed = model
                try changed.apply(adapter)
            }
            #expect(error?.cause.contains(cause) == true, "\(error?.cause ?? "")")
        }
        // A receiver has no queries.
        var builder = AdapterBuilder()
        builder.add("model.layers.1.self_attn.q_proj", rows: 32, columns: 32)
        let adapter = try builder.withFile { try Adapter($0) }
        var shared = try ShareAttention([.init(1...1)]).apply(to: model).model
        let error = #expect(throws: CheckpointError.self) { try shared.apply(adapter) }
        #expect(error?.cause.contains("expected a matrix of layer 1, found one that this layer does not have") == true)
    }
}
