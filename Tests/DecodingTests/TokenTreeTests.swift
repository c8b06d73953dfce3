import Runtime
import Testing

@testable import Decoding

@Suite struct TokenTreeTests {
    /// 5 - 6 - 7, with 8 beside 6 and 9 behind it, and 5's neighbour 4.
    private static let tree: TokenTree = {
        var tree = TokenTree(chain: [5, 6, 7])
        let fork = tree.add(8, after: 0)
        tree.add(9, after: fork)
        tree.add(4, after: nil)
        return tree
    }()

    @Test func nodesAreFoundBehindTheirParents() {
        let tree = TokenTreeTests.tree
        #expect(tree.tokens == [5, 6, 7, 8, 9, 4])
        #expect(tree.parents == [nil, 0, 1, 0, 3, nil])
        #expect(tree.depths == [1, 2, 3, 2, 3, 1])
        #expect(
            tree.node(of: 8, after: 0) == 3 && tree.node(of: 8, after: nil) == nil && tree.node(of: 4, after: nil) == 5)
        #expect(tree.path(to: 4) == [5, 8, 9] && tree.path(to: nil) == [] && tree.path(to: 99) == [])
    }

    @Test func aTokenIsAddedOnce() {
        var tree = TokenTreeTests.tree
        #expect(tree.add(9, after: 3) == 4 && tree.add(4, after: nil) == 5)
        #expect(tree == TokenTreeTests.tree)
        // No such node: behind the sequence.
        #expect(tree.add(3, after: 77) == 6 && tree.parents.last == .some(nil))
    }

    @Test func aBeginningKeepsItsNodes() {
        #expect(TokenTreeTests.tree.prefix(3) == TokenTree(chain: [5, 6, 7]))
        #expect(TokenTreeTests.tree.prefix(0) == TokenTree() && TokenTreeTests.tree.prefix(-1) == TokenTree())
        #expect(TokenTreeTests.tree.prefix(100) == TokenTreeTests.tree)
    }

    @Test func rowsStandAtTheirDepth() {
        let rows = TokenTreeTests.tree.rows(after: 2, at: 10)
        #expect(rows.map(\.position) == [10, 11, 12, 13, 12, 13, 11])
        #expect(rows.map(\.parent) == [nil, 0, 1, 2, 1, 4, 0])
        #expect(rows.map(\.input) == [2, 5, 6, 7, 8, 9, 4].map { Row.Input.token($0) })
        #expect(TokenTree().rows(after: 2, at: 10) == Row.chain([2], after: 10))
        // What is a chain is one for the engine, too.
        #expect(TokenTree(chain: [5, 6, 7]).rows(after: 2, at: 3) == Row.chain([2, 5, 6, 7], after: 3))
    }
}
