import Checkpoints
import Lowering
import Models

/// What a compile reads of a checkpoint: the model, whose weights stay there, and the tokenizer.
struct SourceModel {
    let checkpoint: Checkpoint
    let model: Model
    /// The plan's section.
    let tokenizer: [UInt8]
    /// Empty where the checkpoint has none.
    let chatTemplate: [UInt8]

    /// Throws where the checkpoint cannot be read, or is not a model with its tokenizer.
    init(_ path: String) throws(CompileError) {
        let checkpoint = try attempt(CompileError.checkpoint) { () throws(CheckpointError) in
            try Checkpoint.open(path)
        }
        let model = try attempt(CompileError.model) { () throws(ModelError) in try Model(checkpoint) }
        let definition = try attempt(CompileError.checkpoint) { () throws(CheckpointError) in
            try TokenizerDefinition(checkpoint)
        }
        tokenizer = try attempt(CompileError.tokenizer) { () throws(TokenizerLoweringError) in
            try TokenizerCompiler.section(for: definition)
        }
        guard definition.vocabulary.count <= model.vocabularySize else {
            throw .vocabularyMismatch(tokenizer: definition.vocabulary.count, model: model.vocabularySize)
        }
        chatTemplate = Array((definition.chatTemplate ?? "").utf8)
        self.checkpoint = checkpoint
        self.model = model
    }

    /// Throws where the checkpoint's files have changed since they were opened.
    func checkUnchanged() throws(CompileError) {
        try attempt(CompileError.checkpoint) { () throws(CheckpointError) in try checkpoint.checkUnchanged() }
    }
}
