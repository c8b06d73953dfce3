/// One row of a step: what enters, where it stands, and which row it follows.
///
/// A prefill chunk, one decoded token, a draft chain, a token tree and groups of mask tokens are all lists of rows.
/// A row attends to the whole committed prefix, to its ancestors, and to itself.
public struct Row: Sendable, Equatable {
    /// What enters the first layer.
    public enum Input: Sendable, Equatable {
        /// A row of the model's embedding table.
        case token(UInt32)
        /// A vector that the session was given (`Session.setEmbedding`).
        case embedding(Int)
        /// The plan's embedding for a mask in this place of a group, from 0. The plan's changes for masks apply to the row.
        case mask(Int)
    }

    public var input: Input
    /// Position for the rotary embedding.
    public var position: UInt32
    /// An earlier row of the same step, or nil: the row follows the committed prefix.
    public var parent: Int?

    /// Whether the plan's changes for masks apply.
    var isMask: Bool {
        if case .mask = input { true } else { false }
    }

    public init(input: Input, position: UInt32, parent: Int?) {
        self.input = input
        self.position = position
        self.parent = parent
    }

    /// A chain of tokens that follows `committed` positions: a prefill chunk, a decoded token or a draft.
    public static func chain(_ tokens: some Sequence<UInt32>, after committed: Int) -> [Row] {
        var rows: [Row] = []
        for token in tokens {
            rows.append(
                Row(
                    input: .token(token), position: UInt32(truncatingIfNeeded: committed + rows.count),
                    parent: rows.isEmpty ? nil : rows.count - 1))
        }
        return rows
    }
}
