/// The ids that a post-processor puts around one sequence.
struct SingleSequenceTemplate {
    private(set) var prefix: [UInt32] = []
    private(set) var suffix: [UInt32] = []

    init(_ node: TokenizerNode) throws(CheckpointError) {
        try add(node)
    }

    private mutating func add(_ node: TokenizerNode) throws(CheckpointError) {
        if node.isNull { return }
        switch try node["type"].string() {
        case "ByteLevel":
            return
        case "Sequence":
            for inner in try node["processors"].array() { try add(inner) }
        case "TemplateProcessing":
            try addTemplate(node)
        case let type:
            throw node.unsupported("the post-processor \"\(type)\"")
        }
    }

    private mutating func addTemplate(_ node: TokenizerNode) throws(CheckpointError) {
        var before: [UInt32] = []
        var after: [UInt32] = []
        var isBehindSequence = false
        for part in try node["single"].array() {
            if !part["Sequence"].isNull {
                guard !isBehindSequence else { throw part.unsupported("a template that repeats the sequence") }
                isBehindSequence = true
                continue
            }
            let name = try part["SpecialToken"]["id"].string()
            for id in try node["special_tokens"][name]["ids"].array() {
                if isBehindSequence { after.append(try id.identifier()) } else { before.append(try id.identifier()) }
            }
        }
        guard isBehindSequence else { throw node["single"].malformed("a template with the sequence in it") }
        prefix = before + prefix
        suffix += after
    }
}
