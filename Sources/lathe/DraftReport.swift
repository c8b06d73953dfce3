import Checkpoints
import Decoding

/// What drafting did, as `run` tells it.
enum DraftReport {
    static func json(_ drafts: DraftStatistics) -> JSON {
        .members([
            ("steps", .count(drafts.steps)), ("drafted_tokens", .count(drafts.drafted)),
            ("accepted_tokens", .count(drafts.accepted)), ("mask_rows", .count(drafts.masks)),
            (
                "positions",
                .array(
                    drafts.positions.map {
                        .members([("offered", .count($0.offered)), ("accepted", .count($0.accepted))])
                    })
            ),
            ("draft_seconds", .number(drafts.draftSeconds)), ("verify_seconds", .number(drafts.verifySeconds)),
        ])
    }

    static func text(_ drafts: DraftStatistics) -> String {
        let share = drafts.drafted > 0 ? 100 * Double(drafts.accepted) / Double(drafts.drafted) : 0
        return "\(drafts.tokensPerStep.formatted(digits: 2)) tokens a step, \(share.formatted(digits: 0)) % of "
            + "\(drafts.drafted) guesses right"
    }
}
