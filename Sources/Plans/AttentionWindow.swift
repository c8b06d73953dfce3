import Kernels

/// What a row sees where attention does not reach back to everything: its last positions, the first ones of the sequence,
/// its sinks, and, where there are sums, those of the positions between.
public struct AttentionWindow: Sendable, Equatable {
    /// Positions that a row sees, itself the last of them; with sums the most that one sees.
    public var length: Int
    /// First positions of the sequence that every row behind them sees besides.
    public var sinks: Int
    /// What becomes of the positions that are left out.
    public var distant: DistantSums?

    public init(length: Int, sinks: Int = 0, distant: DistantSums? = nil) {
        self.length = length
        self.sinks = sinks
        self.distant = distant
    }

    /// How the positions that are left out are gathered into sums; nil where they are forgotten.
    public var groups: PositionGroups? {
        distant.map { PositionGroups(size: $0.block, kept: length / $0.block, left: sinks) }
    }

    /// First positions at the most: a segment.
    public static let mostSinks = Int(LATHE_SEGMENT)
}

/// The operands of linear attention to what a window leaves out (LoLCATs, Zhang et al. 2024, in blocks): sums over positions
/// of features of the key times the value, weighed by features of the query.
///
/// The features of x are the softmax of W x and that of -W x, one behind the other (Hedgehog, Zhang et al. 2024).
public struct DistantSums: Sendable, Equatable {
    /// Positions that leave the window together, a divisor of its length: they begin at a multiple of it.
    public var block: Int
    /// W of each query head, for queries that are scaled, one behind the other: as many rows for each.
    public var queryMap: TensorIndex
    /// W of each key head, or of each query head for the keys that it sees.
    public var keyMap: TensorIndex
    /// For each query head a constant, the factor of the window's largest score, and one for each dimension of the scaled
    /// query: what they add up to is the logarithm of the window's weight beside the sums.
    public var gate: TensorIndex

    public init(block: Int, queryMap: TensorIndex, keyMap: TensorIndex, gate: TensorIndex) {
        self.block = block
        self.queryMap = queryMap
        self.keyMap = keyMap
        self.gate = gate
    }

    /// Positions of a block at the most.
    public static let mostPositions = 240
    /// Rows of a head's W: a multiple of 16, and at most a segment.
    public static let mostMapRows = Int(LATHE_SEGMENT)
    /// The logarithm of the window's weight is brought to between this and its opposite.
    public static let mostExponent: Float = 30
}

/// How positions are gathered into sums: in groups, of which a row sees the last ones position by position.
public struct PositionGroups: Sendable, Equatable {
    /// Positions of a group; groups begin at multiples of it.
    public var size: Int
    /// Groups that a row sees position by position, its own among them.
    public var kept: Int
    /// First positions of the sequence that are in no sum.
    public var left: Int

    public init(size: Int, kept: Int = 1, left: Int = 0) {
        self.size = size
        self.kept = kept
        self.left = left
    }

    /// Groups whose sums a row sees that stands behind `count` positions.
    public func summed(before count: Int) -> Int { max(0, count / size - kept + 1) }

    /// The positions of a group that are in its sum.
    public func positions(of group: Int) -> Range<Int> {
        max(left, group * size)..<max(left, (group + 1) * size)
    }
}
