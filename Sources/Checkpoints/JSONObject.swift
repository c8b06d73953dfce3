/// A JSON object: members in the order of the file, found by key in constant time. Keys compare by their bytes.
public struct JSONObject: RandomAccessCollection, Sendable, Equatable {
    public typealias Element = (key: String, value: JSON)

    private let members: [(key: String, value: JSON)]
    /// Positions by key; empty for small objects, which are searched.
    private let index: [ExactText: Int]

    private static let searchedCount = 8

    /// Takes members in their order; of two with the same key, a look-up finds either one, so there should be none.
    public init(_ members: [(key: String, value: JSON)]) {
        self.members = members
        var index: [ExactText: Int] = [:]
        if members.count > JSONObject.searchedCount {
            index.reserveCapacity(members.count)
            for (position, member) in members.enumerated() { index[ExactText(member.key)] = position }
        }
        self.index = index
    }

    public var startIndex: Int { 0 }
    public var endIndex: Int { members.count }
    public subscript(position: Int) -> (key: String, value: JSON) { members[position] }

    /// The value of a key, or nil where there is none.
    public subscript(key: String) -> JSON? {
        let wanted = ExactText(key)
        if members.count > JSONObject.searchedCount { return index[wanted].map { members[$0].value } }
        return members.first { ExactText($0.key) == wanted }?.value
    }

    /// Keys in the order of the file.
    public var keys: [String] { members.map(\.key) }

    /// Whether both have the same members, in any order.
    public static func == (left: JSONObject, right: JSONObject) -> Bool {
        left.count == right.count && left.allSatisfy { right[$0.key] == $0.value }
    }
}
