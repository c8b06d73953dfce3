import Checkpoints
import Models
import Passes

/// A model with masks.
struct MaskedModel {
    let model: Model
    let passReport: PassReport

    /// Places that a group has where one token stands for all of them, as SPACE's own scripts have it.
    private static let places = 5

    /// Throws where a file of masks is damaged or belongs to another model, and `noMaskToken`.
    init(_ original: Model, _ masks: MaskOptions) throws(CompileError) {
        switch masks {
        case .file(let path):
            let adapter = try attempt(CompileError.checkpoint) { () throws(CheckpointError) in try MaskAdapter(path) }
            model = try attempt(CompileError.checkpoint) { () throws(CheckpointError) in
                var model = original
                try model.apply(adapter)
                return model
            }
            passReport = PassReport(name: "masks", summary: adapter.summary)
        case .token(let token):
            guard (0..<original.vocabularySize).contains(token) else {
                throw .noMaskToken(token, vocabulary: original.vocabularySize)
            }
            let row = original.embedding.slice(rows: token..<token + 1).values()
            var model = original
            model.maskEmbedding = Weight(
                FittedMatrix(
                    name: "masks.weight", rows: MaskedModel.places, columns: row.count,
                    values: Array(repeating: row, count: MaskedModel.places).flatMap { $0 }))
            self.model = model
            passReport = PassReport(name: "masks", summary: "token \(token) in \(MaskedModel.places) places")
        }
    }
}
