/// A JSON value together with its path, so that every complaint says where.
struct TokenizerNode {
    let value: JSON
    let path: String

    init(_ value: JSON, path: String) {
        self.value = value
        self.path = path
    }

    /// The member of that name; null where there is none.
    subscript(name: String) -> TokenizerNode {
        let inner = "\(path).\(name)"
        guard case .object(let members) = value, let member = members[name] else {
            return TokenizerNode(.null, path: inner)
        }
        return TokenizerNode(member, path: inner)
    }

    var isNull: Bool { value == .null }

    func malformed(_ expected: String) -> TokenizerDefinitionError {
        .malformed(location: path, expected: expected, found: kind)
    }

    func unsupported(_ feature: String) -> TokenizerDefinitionError {
        .unsupported(feature: feature, location: path)
    }

    func string() throws(TokenizerDefinitionError) -> String {
        guard case .string(let text) = value else { throw malformed("a string") }
        return text
    }

    func integer() throws(TokenizerDefinitionError) -> Int64 {
        guard case .integer(let number) = value else { throw malformed("an integer") }
        return number
    }

    /// An id below the limit of a vocabulary's size.
    func identifier() throws(TokenizerDefinitionError) -> UInt32 {
        let number = try integer()
        guard number >= 0, number < Int64(TokenizerDefinition.maximumVocabularySize) else {
            throw .malformed(
                location: path, expected: "an id below \(TokenizerDefinition.maximumVocabularySize)", found: "\(number)")
        }
        return UInt32(number)
    }

    func array() throws(TokenizerDefinitionError) -> [TokenizerNode] {
        guard case .array(let elements) = value else { throw malformed("an array") }
        return elements.enumerated().map { TokenizerNode($1, path: "\(path)[\($0)]") }
    }

    func object() throws(TokenizerDefinitionError) -> [String: JSON] {
        guard case .object(let members) = value else { throw malformed("an object") }
        return members
    }

    /// A boolean, or `fallback` where there is none.
    func boolean(default fallback: Bool) throws(TokenizerDefinitionError) -> Bool {
        switch value {
        case .null: return fallback
        case .boolean(let flag): return flag
        default: throw malformed("true or false")
        }
    }

    /// Throws unless all members are among the names.
    func allow(only names: Set<String>) throws(TokenizerDefinitionError) {
        for name in try object().keys.sorted() where !names.contains(name) && !self[name].isNull {
            throw self[name].unsupported("the setting \"\(name)\"")
        }
    }

    private var kind: String {
        switch value {
        case .null: "nothing"
        case .boolean: "a boolean"
        case .integer, .number: "a number"
        case .string(let text): "the string \"\(text.prefix(40))\""
        case .array: "an array"
        case .object: "an object"
        }
    }
}
