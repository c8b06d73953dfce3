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
    var shareAttention: SharedLayers = .off

    @Option(help: ArgumentHelp("With auto: so many layers.", valueName: "count"))
    var shareLayers: Int?

    @Option(
        help: ArgumentHelp(
            "With auto: as many layers as keep the mean divergence of the predictions within so many nats.",
            valueName: "nats"))
    var budgetKl: Double?

    @Option(
        help:
            "repaired (fitted to what the layers did before; the default), heads (each uses the most similar one), or plain."
    )
    var shareMethod: SharingMethod?

    /// Nil where nothing is shared. Throws `ValidationError`.
    func options() throws -> SharingOptions? {
        let choice: SharingOptions.Choice
        switch (shareAttention, shareLayers, budgetKl) {
        case (.auto, .some(let count), nil):
            guard count > 0 else { throw ValidationError("--share-layers takes 1 or more.") }
            choice = .count(count)
        case (.auto, nil, .some(let limit)):
            guard limit > 0, limit.isFinite else { throw ValidationError("--budget-kl takes a number above 0.") }
            choice = .divergence(atMost: limit)
        case (.auto, _, _):
            throw ValidationError("--share-attention auto takes either --share-layers or --budget-kl.")
        case (_, .some, _), (_, _, .some):
            throw ValidationError("--share-layers and --budget-kl go with --share-attention auto.")
        case (.off, nil, nil):
            guard shareMethod == nil else { throw ValidationError("--share-method goes with --share-attention.") }
            return nil
        case (.spans(let spans), nil, nil): choice = .spans(spans)
        }
        return SharingOptions(choice: choice, method: shareMethod ?? .repaired)
    }
}

/// Spans of layers with commas between, A-B, or A for a span of one; `auto`; or `off` for none.
enum SharedLayers: ExpressibleByArgument {
    case off
    case auto
    case spans([ShareAttention.Span])

    init?(argument: String) {
        switch argument {
        case "off": self = .off
        case "auto": self = .auto
        default:
            var spans: [ShareAttention.Span] = []
            for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
                let ends = part.split(separator: "-", omittingEmptySubsequences: false).map(SharedLayers.layer)
                guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], first <= last
                else { return nil }
                spans.append(ShareAttention.Span(first...last))
            }
            self = .spans(spans)
        }
    }

    /// A number of digits alone.
    private static func layer(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains) else { return nil }
        return Int(text)
    }

    var defaultValueDescription: String { "off" }
}
