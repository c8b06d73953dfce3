import Checkpoints
import Models

extension CheckpointDescription {
    /// Everything that the checkpoint says but the weights' values.
    public var json: JSON {
        let modelMember: (key: String, value: JSON) =
            switch model {
            case .success(let sizes): ("model", .members(sizes))
            case .failure(let error): ("refusal", .string(error.cause))
            }
        return .members([
            ("kind", .string("checkpoint")), ("format", .string(format)), modelMember,
            ("metadata", .members(metadata)), ("elements", .count(elementCount)), ("bytes", .count(byteCount)),
            (
                "tensors",
                .array(
                    tensors.map { tensor in
                        .members([
                            ("name", .string(tensor.name)), ("type", .string(tensor.typeName)),
                            ("shape", .array(tensor.shape.map(JSON.count))), ("bytes", .count(tensor.byteCount)),
                        ])
                    })
            ),
        ])
    }
}
