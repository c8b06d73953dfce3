import Models
import Passes

/// What attention whose state does not grow is to be like, before anything is fitted to a layer.
public enum LinearForm: Sendable, Equatable {
    case window(AttentionWindow)
    case hybrid(DistantShape)
    /// Groups of positions, and taps of each query head.
    case grouped(group: Int, taps: Int)

    /// Positions that a row sees one by one.
    var reach: Int {
        switch self {
        case .window(let window): window.length + window.sinks
        case .hybrid(let shape): shape.length + shape.sinks
        case .grouped(let group, let taps): max(group, taps)
        }
    }

    /// The form with nothing fitted, for one attention.
    func start(for attention: Attention) -> LinearizedForm {
        switch self {
        case .window(let window): .window(window)
        case .hybrid(let shape): .window(shape.start(for: attention))
        case .grouped(let group, let taps):
            .grouped(
                GroupedAttention(
                    group: group, alpha: 0,
                    taps: Array(repeating: Array(repeating: 0, count: taps), count: taps > 0 ? attention.queryHeads : 0)
                ))
        }
    }
}
