import Tokenization

/// Builds the trie over the texts of added tokens (formats/tokenizer.md, "Added tokens").
struct AddedTokenTrieBuilder {
    private struct Node {
        var children: [UInt8: Int] = [:]
        var record = TokenizerLayout.none
    }

    private var nodes = [Node()]

    /// Adds a text; where it is there already, the first one stays.
    mutating func add(_ text: [UInt8], record: Int) {
        var node = 0
        for byte in text {
            if let child = nodes[node].children[byte] {
                node = child
            } else {
                nodes.append(Node())
                nodes[node].children[byte] = nodes.count - 1
                node = nodes.count - 1
            }
        }
        if nodes[node].record == TokenizerLayout.none { nodes[node].record = UInt32(record) }
    }

    /// The nodes' and edges' words. Every child has been added behind its parent.
    var words: (nodes: [UInt32], edges: [UInt32]) {
        var nodeWords: [UInt32] = []
        var edgeWords: [UInt32] = []
        for node in nodes {
            let firstEdge = edgeWords.count / TokenizerLayout.trieEdgeWords
            nodeWords += [UInt32(firstEdge), UInt32(node.children.count), node.record]
            for (byte, child) in node.children.sorted(by: { $0.key < $1.key }) {
                edgeWords += [UInt32(byte), UInt32(child)]
            }
        }
        return (nodeWords, edgeWords)
    }
}
