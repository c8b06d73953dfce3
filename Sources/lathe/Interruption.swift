import Foundation
import Synchronization

/// What Ctrl-C does: a compile ends at once with exit code 130, a generation ends after its token.
enum Interruption {
    private static let count = Atomic<Int>(0)

    /// SIGINT ends the process. A plan under way has no name yet, so nothing is left behind.
    static func endsProcess() {
        signal(SIGINT) { _ in _exit(130) }
    }

    /// The first SIGINT sets `wasAsked`, the second ends the process.
    static func endsGeneration() {
        signal(SIGINT) { _ in
            if Interruption.count.add(1, ordering: .relaxed).newValue > 1 { _exit(130) }
        }
    }

    static var wasAsked: Bool { count.load(ordering: .relaxed) > 0 }
}
