/// What a row sees where attention does not reach back to everything.
public struct AttentionWindow: Sendable, Hashable {
    /// Positions that a row sees, itself the last of them; with features behind it the most that one sees.
    public var length: Int
    /// First positions of the sequence that every row behind them sees besides (Xiao et al. 2023).
    public var sinks: Int
    /// How the positions that are left out are seen; nil where they are not.
    public var distant: DistantFeatures?

    public init(length: Int, sinks: Int = 0, distant: DistantFeatures? = nil) {
        self.length = length
        self.sinks = sinks
        self.distant = distant
    }
}

/// Linear attention to the positions that a window leaves out, as one softmax with the window (LoLCATs, Zhang et al. 2024).
///
/// The features of a rotated query or key x are the softmax of W x, and that of -W x (Hedgehog, Zhang et al. 2024); a
/// position's weight is the product of the query's and the key's. The window's weights count exp(x) times as much, where x is
/// what the gate says.
public struct DistantFeatures: Sendable, Hashable {
    /// Positions that leave the window together, a divisor of its length.
    public var block: Int
    /// Rows of W for a head.
    public var rows: Int
    /// W of every query head, one behind the other, rows of a head's dimensions.
    public var queryMap: [Float]
    /// W of every key head, or of every query head for the keys that it sees.
    public var keyMap: [Float]
    /// For every query head a constant, the factor of the window's largest score, and one for each dimension of the query.
    public var gate: [Float]

    public init(block: Int, rows: Int, queryMap: [Float], keyMap: [Float], gate: [Float]) {
        self.block = block
        self.rows = rows
        self.queryMap = queryMap
        self.keyMap = keyMap
        self.gate = gate
    }
}
