import Foundation
import Plans

/// What a path holds, by its first bytes.
enum FileKind {
    case plan
    /// Anything else is left to `Checkpoint.open`.
    case checkpoint

    init(path: String) {
        let start = try? FileHandle(forReadingAtPath: path)?.read(upToCount: Plan.magic.count)
        self = start.map(Array.init) == Plan.magic ? .plan : .checkpoint
    }
}
