import Plans

/// How the rows of embedding and head, one for each token, are cut into matrices of their own, so that frequent tokens and
/// rare ones may be packed differently.
public struct VocabularyPieces: Sendable, Equatable {
    /// The tokens of each piece: together 0 ..< the vocabulary's size, in order.
    public let ranges: [Range<Int>]

    /// `cuts` are the tokens that begin a piece, but for the first one: ascending, strictly inside
    /// 0 ..< `vocabularySize`, and multiples of 16, so that pieces are whole tiles.
    public init(vocabularySize: Int, cuts: [Int]) {
        let (starts, ends) = ([0] + cuts, cuts + [vocabularySize])
        precondition(cuts.isEmpty || zip(starts, ends).allSatisfy { $0 < $1 })
        precondition(cuts.allSatisfy { $0 % Packing.tileRows == 0 })
        ranges = zip(starts, ends).map { $0..<$1 }
    }

    public var count: Int { ranges.count }

    /// The tokens that begin a piece, but for the first one.
    public var cuts: [Int] { ranges.dropFirst().map(\.lowerBound) }

    /// The name of a piece of the matrix `base` in the plan: `base` itself where there is only one.
    public func name(of base: String, piece: Int) -> String { count == 1 ? base : "\(base).\(piece)" }
}
