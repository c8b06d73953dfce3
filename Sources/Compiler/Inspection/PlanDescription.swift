import Checkpoints
import Plans
import Tokenization

/// What a plan holds, put together for people: the value that text, JSON and graph are made from.
public struct PlanDescription: Sendable {
    public let path: String
    public let program: Program
    public let sections: [Section]
    public let fileSize: Int
    /// Major and minor version of the file's format.
    public let formatVersion: String
    /// As 16 hexadecimal digits.
    public let digest: String
    /// How the plan was made; nil where it does not say.
    public let facts: JSON?
    public let chatTemplateBytes: Int
    /// Tokens that end a generation, with their text; empty where the plan has no tokenizer.
    public let endsOfGeneration: [(id: Int, text: String)]
    /// Instructions in order, equal layers folded.
    public let groups: [InstructionGroup]
    /// When each value of a buffer lives, in order of its beginning.
    let values: [ValueLifetimes.Value]

    /// Throws where a cold section cannot be read; `tokenizer` is the plan's own.
    public init(_ plan: Plan, tokenizer: Tokenizer?, path: String) throws(PlanError) {
        self.path = path
        program = plan.program
        sections = plan.sections
        fileSize = plan.fileSize
        formatVersion = "\(Plan.majorVersion).\(plan.minorVersion)"
        digest = String(decoding: plan.digestText, as: UTF8.self)
        chatTemplateBytes = try plan.chatTemplate()?.count ?? 0
        facts = try plan.facts().map { text in
            // Facts are for people: what is no JSON is shown as it is.
            (try? JSON(parsing: text, file: path)) ?? .string(String(decoding: text, as: UTF8.self))
        }
        endsOfGeneration = withExtendedLifetime(plan) { tokenizer.map(PlanDescription.endsOfGeneration) ?? [] }
        groups = InstructionGroup.groups(of: plan.program)
        values = ValueLifetimes(plan.program).values
    }

    private static func endsOfGeneration(_ tokenizer: Tokenizer) -> [(id: Int, text: String)] {
        (0..<tokenizer.vocabularySize).filter { tokenizer.isEndOfGeneration(UInt32($0)) }
            .map { ($0, String(decoding: tokenizer.bytes(of: UInt32($0)), as: UTF8.self)) }
    }

    /// The state that one position takes, of states that grow with the sequence.
    var stateBytesPerPosition: Int {
        zip(program.states, program.windows).reduce(0) { $0 + ($1.1 == nil ? $1.0.bytesPerPosition : 0) }
    }

    /// The most that states take that a window bounds, without room for the rows of a step.
    var constantStateBytes: Int {
        zip(program.states, program.windows).reduce(0) { sum, each in
            let positions = each.1.map { min($0.length + $0.sinks, program.contextLength) } ?? 0
            return sum + positions * each.0.bytesPerPosition + each.0.heads * (each.0.sumBytes ?? 0)
        }
    }

    /// The most that a step keeps of attention weights for layers that share them.
    var keptWeightBytes: Int { program.keptWeightBytes(capacity: program.contextLength) ?? 0 }

    /// Weights by packing, in the order of the file.
    var weightsByPacking: [WeightTotal] {
        totals { layout, _ in
            switch layout {
            case .vector: "vectors (float32)"
            case .matrix(let packing, _, _): packing.name
            }
        }
    }

    /// Weights by their part of the model, all layers together, in the order of the file.
    var weightsByPart: [WeightTotal] {
        totals { _, name in name.folded }
    }

    /// All matrices together.
    var matrixTotal: WeightTotal {
        var total = WeightTotal(name: "all matrices")
        for tensor in program.tensors {
            if case .matrix = tensor.layout { total.add(tensor) }
        }
        return total
    }

    private func totals(_ key: (Tensor.Layout, LayerName) -> String) -> [WeightTotal] {
        let names = ProgramNames(program).tensors
        var places: [String: Int] = [:]
        var totals: [WeightTotal] = []
        for (tensor, name) in zip(program.tensors, names) {
            let key = key(tensor.layout, name)
            let place = places[key] ?? totals.count
            if place == totals.count {
                places[key] = place
                totals.append(WeightTotal(name: key))
            }
            totals[place].add(tensor)
        }
        return totals
    }

    /// The bytes of a buffer for all of its rows.
    func byteCount(of buffer: Buffer) -> Int { (buffer.rowStride ?? 0) * program.rowCount(buffer.rows) }
}

/// Tensors counted together.
struct WeightTotal: Sendable {
    let name: String
    private(set) var tensors = 0
    private(set) var weights = 0
    private(set) var bytes = 0
    /// Packings and shapes that the tensors have, each once.
    private(set) var layouts: [String] = []

    init(name: String) { self.name = name }

    /// Sizes were verified to lie in a file, so the sums cannot overflow.
    mutating func add(_ tensor: Tensor) {
        tensors += 1
        weights += tensor.layout.elementCount
        bytes += tensor.byteCount ?? 0
        let text = tensor.layout.text
        if layouts.count < 4, !layouts.contains(text) { layouts.append(text) }
    }

    var bitsPerWeight: Double { 8 * Double(bytes) / Double(max(1, weights)) }
}
