import ArgumentParser
import Compiler
import Passes

extension SharingMethod: ExpressibleByArgument {}

/// The flags of layers that use the attention weights of others.
struct SharingArguments: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Layers that use the attention weights of the layer before them: A-B,C-D, counted from 0; auto, chosen by "
                + "what they cost; or off.", valueName: "spans"))
    var shareAttention: LayerChoice = .off

    @Option(help: ArgumentHelp("With auto: so many layers.", valueName: "count"))
    var shareLayers: Int?

    @Option(
        help:
            "repaired (fitted to what the layers did before; the default), heads (each uses the most similar one), or plain."
    )
    var shareMethod: SharingMethod?

    /// Nil where nothing is shared. Throws `ValidationError`.
    func options(_ budget: LayerBudget) throws -> SharingOptions? {
        let limit = try budget.limit(
            shareAttention, option: "--share-attention", count: shareLayers, countOption: "--share-layers")
        let choice: SharingOptions.Choice
        switch (shareAttention, limit) {
        case (.ranges(let ranges), _): choice = .spans(ranges.map { ShareAttention.Span($0) })
        case (.auto, .count(let count)): choice = .count(count)
        case (.auto, .divergence(let limit)): choice = .divergence(atMost: limit)
        case (.auto, nil), (.off, _):
            guard shareMethod == nil else { throw ValidationError("--share-method goes with --share-attention.") }
            return nil
        }
        return SharingOptions(choice: choice, method: shareMethod ?? .repaired)
    }
}
