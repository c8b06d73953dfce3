import Checkpoints
import Foundation
import Models
import Testing

/// Files of masks that do not fit, each refused with its cause.
@Suite("Files of masks")
struct MaskAdapterTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let tensors: [(name: String, shape: [Int])]
        let kind: CheckpointError.Kind
        let cause: String
        var value: Float = 0.5

        static let masks = (name: "masks.weight", shape: [2, 32])
        static let stem = "model.layers.1.mlp.down_proj"

        static let all = [
            Case(
                testDescription: "no embeddings",
                tensors: [("\(stem).lora_A.weight", [2, 48]), ("\(stem).lora_B.weight", [32, 2])],
                kind: .damaged, cause: "the matrix masks.weight"),
            Case(
                testDescription: "embeddings of another width", tensors: [("masks.weight", [2, 31])], kind: .damaged,
                cause: "32 columns"),
            Case(
                testDescription: "too many places", tensors: [("masks.weight", [17, 32])], kind: .damaged,
                cause: "at most 16 places"),
            Case(
                testDescription: "no matrix", tensors: [("masks.weight", [32])], kind: .damaged, cause: "a matrix"),
            Case(
                testDescription: "a whole matrix", tensors: [masks, ("\(stem).weight", [32, 48])], kind: .unsupported,
                cause: "changes of low rank"),
            Case(
                testDescription: "one factor", tensors: [masks, ("\(stem).lora_A.weight", [2, 48])], kind: .damaged,
                cause: "lora_B.weight"),
            Case(
                testDescription: "another shape",
                tensors: [masks, ("\(stem).lora_A.weight", [2, 47]), ("\(stem).lora_B.weight", [32, 2])],
                kind: .damaged, cause: "a change of 32 x 48"),
            Case(
                testDescription: "a layer too many",
                tensors: [
                    masks, ("model.layers.6.mlp.down_proj.lora_A.weight", [2, 48]),
                    ("model.layers.6.mlp.down_proj.lora_B.weight", [32, 2]),
                ], kind: .damaged, cause: "one of 6 layers"),
            Case(
                testDescription: "a name that nobody reads", tensors: [masks, ("masks.bias", [2, 32])],
                kind: .unsupported, cause: "a matrix of a layer"),
            Case(
                testDescription: "values that are no numbers", tensors: [masks], kind: .damaged,
                cause: "finite values", value: .nan),
        ]
    }

    @Test("what does not fit is refused", arguments: Case.all)
    func refusals(one: Case) throws {
        let tensors = one.tensors.map { tensor in
            let values = [Float](repeating: one.value, count: tensor.shape.reduce(1, *))
            return (tensor.name, "F32", tensor.shape, values.withUnsafeBytes { Data($0) })
        }
        let url = FileManager.default.temporaryDirectory.appending(path: "lathe-test-\(UUID().uuidString).safetensors")
        defer { try? FileManager.default.removeItem(at: url) }
        try SafetensorsImage.data(tensors).write(to: url)
        var model = try Model(try Checkpoint.open(TestModel.resource("shared_attention")))
        let error = try #require(throws: CheckpointError.self) { try model.apply(MaskAdapter(url.path)) }
        #expect(error.kind == one.kind)
        #expect("\(error)".contains(one.cause), "\(error)")
    }

    @Test("the embeddings alone are enough")
    func embeddingsAlone() throws {
        let values = [Float](repeating: 0.25, count: 64)
        let url = FileManager.default.temporaryDirectory.appending(path: "lathe-test-\(UUID().uuidString).safetensors")
        defer { try? FileManager.default.removeItem(at: url) }
        try SafetensorsImage.data([("masks.weight", "F32", [2, 32], values.withUnsafeBytes { Data($0) })]).write(
            to: url)
        let model = try TestModel(TestModel.resource("shared_attention"), precision: .keep) { model in
            let adapter = try MaskAdapter(url.path)
            #expect(adapter.summary == "2 masks, 0 matrices changed for them")
            try model.apply(adapter)
        }
        #expect(model.plan.program.maskCount == 2)
    }
}
