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
        return TokenizerNode(value[name] ?? .null, path: inner)
    }

    var isNull: Bool { value == .null }

    func malformed(_ expected: String) -> CheckpointError {
        .malformed(location: path, expected: expected, found: kind)
    }

    func unsupported(_ feature: String) -> CheckpointError {
        .unsupported(feature: feature, location: path)
    }

    func string() throws(CheckpointError) -> String {
        guard case .string(let text) = value else { throw malformed("a string") }
        return text
    }

    func integer() throws(CheckpointError) -> Int64 {
        guard case .integer(let number) = value else { throw malformed("an integer") }
        return number
    }

    /// An id below the limit of a vocabulary's size.
    func identifier() throws(CheckpointError) -> UInt32 {
        let number = try integer()
        guard number >= 0, number < Int64(TokenizerDefinition.maximumVocabularySize) else {
            throw .malformed(
                location: path, expected: "an id below \(TokenizerDefinition.maximumVocabularySize)", found: "\(number)"
            )
        }
        return UInt32(number)
    }

    func array() throws(CheckpointError) -> [TokenizerNode] {
        guard case .array(let elements) = value else { throw malformed("an array") }
        return elements.enumerated().map { TokenizerNode($1, path: "\(path)[\($0)]") }
    }

    func object() throws(CheckpointError) -> JSONObject {
        guard case .object(let members) = value else { throw malformed("an object") }
        return members
    }

    /// A boolean, or `fallback` where there is none.
    func boolean(default fallback: Bool) throws(CheckpointError) -> Bool {
        switch value {
        case .null: return fallback
        case .boolean(let flag): return flag
        default: throw malformed("true or false")
        }
    }

    /// Throws unless all members are among the names.
    func allow(only names: Set<String>) throws(CheckpointError) {
        for name in try object().keys where !names.contains(name) && !self[name].isNull {
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
