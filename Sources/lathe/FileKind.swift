import Foundation
import Plans

/// What a path holds, by its first bytes.
enum FileKind {
    case plan
    /// Anything else is left to `Checkpoint.open`.
    case checkpoint

    init(path: String) {
        // A FIFO or a device is never a plan, and opening one could wait without end.
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
        defer { if descriptor >= 0 { close(descriptor) } }
        var status = stat()
        guard descriptor >= 0, fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            self = .checkpoint
            return
        }
        let start = try? FileHandle(fileDescriptor: descriptor).read(upToCount: Plan.magic.count)
        self = start.map(Array.init) == Plan.magic ? .plan : .checkpoint
    }
}
