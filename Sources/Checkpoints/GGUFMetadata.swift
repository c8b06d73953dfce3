/// The metadata of a GGUF file: keys in the file's order, each with its value (formats/gguf.md, "Metadata").
public struct GGUFMetadata: Sendable {
    /// The file's format version, 2 or 3.
    public let version: UInt32
    /// Keys in the order of the file.
    public let keys: [String]
    private let values: [ExactText: GGUFValue]

    init(version: UInt32, keys: [String], values: [ExactText: GGUFValue]) {
        self.version = version
        self.keys = keys
        self.values = values
    }

    /// The value of a key, or nil where there is none.
    public subscript(key: String) -> GGUFValue? { values[ExactText(key)] }

    /// The text of a string, or nil where the key holds no string or one that is not UTF-8.
    public func string(_ key: String) -> String? {
        guard let view = bytes(key) else { return nil }
        return String(validating: view, as: UTF8.self)
    }

    /// The bytes of a string, or nil where the key holds no string.
    public func bytes(_ key: String) -> ByteView? {
        if case .string(let view) = self[key] { view } else { nil }
    }

    /// The value of an integer of any width, or nil where the key holds none or it does not fit `Int`.
    public func integer(_ key: String) -> Int? {
        switch self[key] {
        case .unsigned(let number): Int(exactly: number)
        case .signed(let number): Int(exactly: number)
        case .float, .boolean, .string, .array, nil: nil
        }
    }

    /// The value of a float, or nil where the key holds none.
    public func float(_ key: String) -> Double? {
        if case .float(let number) = self[key] { number } else { nil }
    }

    /// The value of a boolean, or nil where the key holds none.
    public func boolean(_ key: String) -> Bool? {
        if case .boolean(let flag) = self[key] { flag } else { nil }
    }

    /// An array, or nil where the key holds none.
    public func array(_ key: String) -> GGUFArray? {
        if case .array(let array) = self[key] { array } else { nil }
    }

    /// An array of strings, or nil where the key holds none.
    public func strings(_ key: String) -> GGUFStrings? { array(key)?.strings }

    /// An array of integers that fit `Int64`, or nil where the key holds none.
    public func integers(_ key: String) -> [Int64]? { array(key)?.integers }

    /// An array of floats, or nil where the key holds none.
    public func floats(_ key: String) -> [Double]? { array(key)?.floats }

    /// An array of booleans, or nil where the key holds none.
    public func booleans(_ key: String) -> [Bool]? { array(key)?.booleans }
}
