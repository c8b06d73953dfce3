import Checkpoints
import Lowering
import Plans

/// Where `tokenize` finds a compiled tokenizer: in a plan, or made from a checkpoint.
enum TokenizerSource {
    /// The tokenizer section of a plan, or of the plan that a checkpoint would become.
    static func section(of path: String) throws -> [UInt8] {
        if FileKind(path: path) == .plan {
            let plan = try Plan.open(path: path)
            // The section lies in the plan's mapping, which ends with the plan.
            return withExtendedLifetime(plan) { Array(plan.tokenizer) }
        }
        return try TokenizerCompiler.section(for: try TokenizerDefinition(try Checkpoint.open(path)))
    }
}
