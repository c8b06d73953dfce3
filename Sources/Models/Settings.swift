import Checkpoints

/// The hyperparameters of a checkpoint under one set of names, whatever file they come from.
struct Settings {
    /// A setting's name in `config.json`, and in GGUF behind the architecture's prefix.
    struct Key {
        let huggingFace: String
        let gguf: String
    }

    let metadata: Checkpoint.Metadata
    let architecture: String

    init(_ checkpoint: Checkpoint) throws(ModelError) {
        metadata = checkpoint.metadata
        switch checkpoint.metadata {
        case .gguf(let metadata):
            guard let name = metadata.string("general.architecture") else {
                throw .badSetting("general.architecture", expected: "a name", found: "nothing")
            }
            architecture = name
        case .huggingFace(let files):
            guard case .string(let name)? = files.config["model_type"] else {
                throw .badSetting("model_type", expected: "a name", found: "nothing")
            }
            architecture = name
        }
    }

    var isGGUF: Bool {
        switch metadata {
        case .gguf: true
        case .huggingFace: false
        }
    }

    /// The name that the file itself uses, for errors.
    func name(_ key: Key) -> String { isGGUF ? "\(architecture).\(key.gguf)" : key.huggingFace }

    /// An integer, or nil where the setting is absent. Throws `badSetting` for a value of another type.
    func optionalInteger(_ key: Key) throws(ModelError) -> Int? {
        let (value, isThere): (Int?, Bool) =
            switch metadata {
            case .gguf(let metadata): (metadata.integer(name(key)), metadata[name(key)] != nil)
            case .huggingFace(let files):
                (files.config[key.huggingFace]?.integer, Settings.isThere(files.config[key.huggingFace]))
            }
        guard value != nil || !isThere else {
            throw .badSetting(name(key), expected: "an integer", found: "another value")
        }
        return value
    }

    /// A number, or nil where the setting is absent. Throws `badSetting` for a value of another type.
    func optionalNumber(_ key: Key) throws(ModelError) -> Double? {
        let (value, isThere): (Double?, Bool) =
            switch metadata {
            case .gguf(let metadata): (metadata.float(name(key)), metadata[name(key)] != nil)
            case .huggingFace(let files):
                (files.config[key.huggingFace]?.number, Settings.isThere(files.config[key.huggingFace]))
            }
        guard value != nil || !isThere else {
            throw .badSetting(name(key), expected: "a number", found: "another value")
        }
        return value
    }

    /// Writers say null for a setting that they leave out.
    private static func isThere(_ value: JSON?) -> Bool { value.map { !$0.isNull } ?? false }

    /// A count within `range`. Throws `badSetting`.
    func count(_ key: Key, in range: ClosedRange<Int>, default fallback: Int? = nil) throws(ModelError) -> Int {
        guard let value = try optionalInteger(key) ?? fallback else {
            throw .badSetting(name(key), expected: "a number in \(range)", found: "nothing")
        }
        guard range.contains(value) else {
            throw .badSetting(name(key), expected: "a number in \(range)", found: "\(value)")
        }
        return value
    }

    /// A finite positive number. Throws `badSetting`.
    func positive(_ key: Key, default fallback: Double? = nil) throws(ModelError) -> Double {
        guard let value = try optionalNumber(key) ?? fallback else {
            throw .badSetting(name(key), expected: "a positive number", found: "nothing")
        }
        guard value.isFinite, value > 0 else {
            throw .badSetting(name(key), expected: "a positive number", found: "\(value)")
        }
        return value
    }

    /// A flag of `config.json`; GGUF files express such choices by their tensors. Throws `badSetting` for a value of
    /// another type.
    func flag(_ name: String) throws(ModelError) -> Bool? {
        guard case .huggingFace(let files) = metadata else { return nil }
        let value = files.config[name]
        guard value?.boolean != nil || !Settings.isThere(value) else {
            throw .badSetting(name, expected: "true or false", found: "another value")
        }
        return value?.boolean
    }

    /// Refuses a `config.json` whose value is not the supported one. Throws `unsupported`.
    func require(_ name: String, is supported: [String]) throws(ModelError) {
        guard case .huggingFace(let files) = metadata, case .string(let found)? = files.config[name] else { return }
        guard supported.contains(found) else {
            throw .unsupported(setting: name, found: found, supported: supported.joined(separator: ", "))
        }
    }
}

extension Settings {
    /// The attention window of every layer, nil where a layer sees everything.
    ///
    /// `layer_types` decides where a file has it; otherwise every layer from `max_window_layers` on slides, if the
    /// family does so by default. Throws `badSetting` or `unsupported`.
    func windows(layers: Int, slidesByDefault: Bool) throws(ModelError) -> [Int?] {
        let key = Key(huggingFace: "sliding_window", gguf: "attention.sliding_window")
        guard try optionalInteger(key) != nil else { return Array(repeating: nil, count: layers) }
        let window = try count(key, in: 1...Int(Int32.max))
        if case .huggingFace(let files) = metadata, case .array(let types)? = files.config["layer_types"] {
            guard types.count == layers else {
                throw .badSetting("layer_types", expected: "\(layers) entries", found: "\(types.count)")
            }
            var windows: [Int?] = []
            for type in types {
                switch type {
                case .string("full_attention"): windows.append(nil)
                case .string("sliding_attention"): windows.append(window)
                default:
                    throw .unsupported(
                        setting: "layer_types", found: "\(type)", supported: "full_attention, sliding_attention")
                }
            }
            return windows
        }
        guard slidesByDefault else { return Array(repeating: nil, count: layers) }
        let first =
            try optionalInteger(.init(huggingFace: "max_window_layers", gguf: "attention.max_window_layers")) ?? 0
        return (0..<layers).map { $0 >= first ? window : nil }
    }
}
