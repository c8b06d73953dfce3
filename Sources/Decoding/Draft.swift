import Runtime

/// What a drafter wants evaluated behind a sequence's last token.
public struct Draft: Sendable {
    /// Guesses of what follows.
    public var tree: TokenTree
    /// Masks, at most one group behind each node.
    public var masks: [MaskGroup]
    /// What `Row.Input.embedding` stands for in masks.
    public var embeddings: [[Float]]

    public init(_ tree: TokenTree = TokenTree(), masks: [MaskGroup] = [], embeddings: [[Float]] = []) {
        (self.tree, self.masks, self.embeddings) = (tree, masks, embeddings)
    }

    /// Rows that are masks.
    public var maskCount: Int {
        var count = 0
        for group in masks { count += group.inputs.count }
        return count
    }

    /// Rows of a step: the sequence's last token, which stands at `position`, the tree behind it, then the masks; a node's row
    /// is one behind it.
    func rows(after token: UInt32, at position: Int) -> [Row] {
        var rows = tree.rows(after: token, at: position)
        for group in masks {
            var parent = group.node.map { $0 + 1 } ?? 0
            for input in group.inputs {
                rows.append(Row(input: input, position: rows[parent].position + 1, parent: parent))
                parent = rows.count - 1
            }
        }
        return rows
    }

    /// The rows of the masks behind a node, or behind the sequence's last token.
    func maskRows(behind node: Int?) -> [Int] {
        var first = tree.count + 1
        for group in masks {
            if group.node == node { return Array(first..<first + group.inputs.count) }
            first += group.inputs.count
        }
        return []
    }
}

/// Rows in the places of tokens that are not known yet (SPACE, Yi et al. 2024): the first stands behind a node, each other one
/// behind the one before it. They see what stands before them, and no token sees them. The model names behind each what may
/// follow the token in its place; that is a guess for the next step.
public struct MaskGroup: Sendable {
    /// The node, or nil behind the sequence's last token.
    public let node: Int?
    public let inputs: [Row.Input]

    public init(node: Int?, inputs: [Row.Input]) {
        (self.node, self.inputs) = (node, inputs)
    }
}
