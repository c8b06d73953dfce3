import Plans

/// An instruction taken apart: its name and its operands, labelled, in the order of formats/plan.md.
public struct InstructionOutline: Sendable, Equatable {
    public enum Operand: Sendable, Equatable {
        case buffer(BufferIndex)
        case tensor(TensorIndex)
        case state(StateIndex)
        /// The state of the attention whose weights are used.
        case donor(StateIndex)
        /// For each query head one of the donor's.
        case heads([Int])
        case count(Int)
        case number(Float)
        case flag(Bool)
    }

    public struct LabelledOperand: Sendable, Equatable {
        public let label: String
        public let operand: Operand
    }

    /// The instruction's name in formats/plan.md.
    public let operation: String
    /// Operands that are there; one that is left out has no entry.
    public let operands: [LabelledOperand]

    public init(_ instruction: Instruction) {
        let parts: [(String, Operand?)]
        switch instruction {
        case .embed(let table, let first, let output):
            operation = "embed"
            parts = [("table", .tensor(table)), ("first", .count(first)), ("output", .buffer(output))]
        case .rotaryTable(let frequencies, let factor, let output):
            operation = "rotary table"
            parts = [("frequencies", .tensor(frequencies)), ("factor", .number(factor)), ("output", .buffer(output))]
        case .normalize(let input, let weight, let epsilon, let output):
            operation = "normalize"
            parts = [
                ("input", .buffer(input)), ("weight", weight.map(Operand.tensor)), ("epsilon", .number(epsilon)),
                ("output", .buffer(output)),
            ]
        case .quantize(let input, let output):
            operation = "quantize"
            parts = [("input", .buffer(input)), ("output", .buffer(output))]
        case .multiply(let input, let weight, let bias, let output, let column, let accumulate):
            operation = "multiply"
            parts = [
                ("input", .buffer(input)), ("weight", .tensor(weight)), ("bias", bias.map(Operand.tensor)),
                ("output", .buffer(output)), ("column", .count(column)), ("accumulate", .flag(accumulate)),
            ]
        case .multiplyMasks(let input, let weight, let output, let accumulate):
            operation = "multiply masks"
            parts = [
                ("input", .buffer(input)), ("weight", .tensor(weight)), ("output", .buffer(output)),
                ("accumulate", .flag(accumulate)),
            ]
        case .attend(let attention):
            let distant = attention.window?.distant
            operation = distant == nil ? "attend" : "attend hybrid"
            parts = [
                ("projected", .buffer(attention.projected)), ("rotary", .buffer(attention.rotary)),
                ("state", .state(attention.state)), ("query heads", .count(attention.queryHeads)),
                ("query norm", attention.queryNorm.map(Operand.tensor)),
                ("key norm", attention.keyNorm.map(Operand.tensor)), ("epsilon", .number(attention.epsilon)),
                ("scale", .number(attention.scale)), ("window", .count(attention.window?.length ?? 0)),
                ("sinks", .count(attention.window?.sinks ?? 0)), ("block", distant.map { .count($0.block) }),
                ("query map", distant.map { .tensor($0.queryMap) }), ("key map", distant.map { .tensor($0.keyMap) }),
                ("gate", distant.map { .tensor($0.gate) }), ("output", .buffer(attention.output)),
            ]
        case .attendGrouped(let attention):
            operation = "attend grouped"
            parts = [
                ("projected", .buffer(attention.projected)), ("rotary", .buffer(attention.rotary)),
                ("state", .state(attention.state)), ("query heads", .count(attention.queryHeads)),
                ("query norm", attention.queryNorm.map(Operand.tensor)),
                ("key norm", attention.keyNorm.map(Operand.tensor)), ("epsilon", .number(attention.epsilon)),
                ("alpha", .number(attention.alpha)), ("group", .count(attention.group)),
                ("convolution", attention.convolution.map(Operand.tensor)), ("output", .buffer(attention.output)),
            ]
        case .attendShared(let attention):
            operation = "attend shared"
            parts = [
                ("projected", .buffer(attention.projected)), ("state", .state(attention.state)),
                ("donor", .donor(attention.donor)), ("head map", .heads(attention.headMap)),
                ("output", .buffer(attention.output)),
            ]
        case .gate(let input, let output):
            operation = "gate"
            parts = [("input", .buffer(input)), ("output", .buffer(output))]
        case .selectRows(let input, let output):
            operation = "select rows"
            parts = [("input", .buffer(input)), ("output", .buffer(output))]
        }
        operands = parts.compactMap { label, operand in operand.map { LabelledOperand(label: label, operand: $0) } }
    }

    /// The constants that the instruction reads.
    var tensors: [TensorIndex] {
        operands.compactMap { if case .tensor(let index) = $0.operand { index } else { nil } }
    }
}

extension Packing {
    /// The packing's name in formats/plan.md, with its group where it has one.
    public var name: String {
        switch self {
        case .float32: "float32"
        case .float16: "float16"
        case .bfloat16: "bfloat16"
        case .integer(let codes, let group): "\(codes.name), groups of \(group.rawValue)"
        }
    }
}

extension IntegerCodes {
    /// The packing's name in formats/plan.md.
    public var name: String {
        switch grid {
        case .symmetric: "int\(bits) symmetric"
        case .centered: "int\(bits) centered"
        case .affine: "int\(bits) affine"
        }
    }
}
