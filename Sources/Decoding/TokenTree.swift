import Runtime

/// Tokens that may follow a sequence: each follows another one of the tree, or the sequence itself.
public struct TokenTree: Sendable, Equatable {
    /// The tokens; each is called by its index, its node.
    public private(set) var tokens: [UInt32] = []
    /// The node that each token follows, an earlier one; nil where it follows the sequence.
    public private(set) var parents: [Int?] = []

    public init() {}

    /// Tokens that follow each other.
    public init(chain: some Sequence<UInt32>) {
        for token in chain { add(token, after: tokens.indices.last) }
    }

    public var count: Int { tokens.count }

    /// Adds a token behind a node of the tree, or behind the sequence where there is no such node. Returns its node: the one
    /// that is there where the same token follows already.
    @discardableResult
    public mutating func add(_ token: UInt32, after parent: Int?) -> Int {
        let parent = parent.flatMap { tokens.indices.contains($0) ? $0 : nil }
        if let node = node(of: token, after: parent) { return node }
        tokens.append(token)
        parents.append(parent)
        return tokens.count - 1
    }

    /// The node of a token that follows another node, or the sequence; nil where the tree has none.
    public func node(of token: UInt32, after parent: Int?) -> Int? {
        for node in tokens.indices where tokens[node] == token && parents[node] == parent { return node }
        return nil
    }

    /// The tokens from the sequence to a node, itself included; none for nil.
    public func path(to node: Int?) -> [UInt32] {
        var path: [UInt32] = []
        var next = node
        while let node = next, tokens.indices.contains(node) {
            path.append(tokens[node])
            next = parents[node]
        }
        return path.reversed()
    }

    /// How many tokens lie between the sequence and each node, itself included: 1 for those that follow the sequence.
    public var depths: [Int] {
        var depths: [Int] = []
        for parent in parents { depths.append((parent.map { depths[$0] } ?? 0) + 1) }
        return depths
    }

    /// The first `count` tokens.
    public func prefix(_ count: Int) -> TokenTree {
        var tree = self
        tree.tokens.removeSubrange(min(max(0, count), tokens.count)...)
        tree.parents.removeSubrange(tree.tokens.count...)
        return tree
    }

    /// Rows of the sequence's last token, which stands at `position`, and of the tree behind it.
    func rows(after token: UInt32, at position: Int) -> [Row] {
        var rows = Row.chain([token], after: position)
        for (node, depth) in depths.enumerated() {
            rows.append(
                Row(
                    input: .token(tokens[node]), position: UInt32(truncatingIfNeeded: position + depth),
                    parent: (parents[node] ?? -1) + 1))
        }
        return rows
    }
}
