import Plans

/// A part of what a row sees that is reduced by itself (kernels.h).
enum AttentionSegment: Equatable {
    /// The first positions of the sequence, where the window has left them behind.
    case sinks
    /// Positions from `number` times 256 on.
    case positions(Int)

    /// Its first position.
    var start: Int {
        switch self {
        case .sinks: 0
        case .positions(let number): number * AttentionTiling.segment
        }
    }
}

/// The segments of which some row of a step sees something, in the order in which they are merged.
struct AttentionSegments {
    private let hasSinks: Bool
    private let numbers: Range<Int>

    init(window: AttentionWindow?, step: Step) {
        let count = step.committed + step.rows.count
        let first = window.map { max(0, step.committed + 1 - $0.length) } ?? 0
        // The row that sees the most has left the most behind.
        hasSinks = window.map { $0.sinks > 0 && count > $0.length } ?? false
        numbers = first / AttentionTiling.segment..<(count - 1) / AttentionTiling.segment + 1
    }

    var count: Int { numbers.count + (hasSinks ? 1 : 0) }

    subscript(ordinal: Int) -> AttentionSegment {
        guard hasSinks else { return .positions(numbers.lowerBound + ordinal) }
        return ordinal == 0 ? .sinks : .positions(numbers.lowerBound + ordinal - 1)
    }

    /// The place of one of the segments in the order.
    func ordinal(of segment: AttentionSegment) -> Int {
        switch segment {
        case .sinks: 0
        case .positions(let number): number - numbers.lowerBound + (hasSinks ? 1 : 0)
        }
    }
}

extension AttentionWindow {
    /// What a row sees that is the `count`-th of its path: of the first positions those below `sinks`, and then those from
    /// `first` on.
    func reach(count: Int) -> (sinks: Int, first: Int) {
        let end = distant.map { ((count - 1) / $0.block + 1) * $0.block } ?? count
        let first = max(0, end - length)
        return (min(sinks, first), first)
    }
}
