import ArgumentParser
import Decoding
import Runtime

/// How tokens are guessed, to be verified several at once; the text is the same with all of them.
enum DraftArgument: String, ExpressibleByArgument, CaseIterable {
    case off
    /// Lookup and recycling together, with the plan's masks where it has some.
    case auto
    case lookup
    case recycle
    /// By what the model names behind masks: the plan's, or else the mean of what came before in their place.
    case space
    /// By the model itself without the parts that compiling found drafts can do without.
    case skip

    /// A drafter for a sequence of its own, that of the session.
    func drafter(session: Session) -> any Drafter {
        let engine = session.engine
        // Masks are more rows than tokens, since most groups serve nothing in the end.
        let rows = 2 * engine.plan.program.maximumOutputs
        let masks = engine.maskCount > 0 ? MaskSource.trained(places: engine.maskCount) : nil
        return switch self {
        case .off: NoDrafter()
        case .auto: TreeDrafter(looksUp: true, recycles: true, masks: masks, maximumRows: rows)
        case .lookup: TreeDrafter(looksUp: true, maximumRows: rows)
        case .recycle: TreeDrafter(recycles: true, maximumRows: rows)
        case .space: TreeDrafter(masks: masks ?? .mean(MeanEmbedding(engine: engine)), maximumRows: rows)
        case .skip: SkipDrafter(session: session)
        }
    }
}
