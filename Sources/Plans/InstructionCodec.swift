/// Instruction records: sixteen 32-bit words, the first the opcode (formats/plan.md, "Instructions").
enum Opcode: UInt32, CaseIterable {
    case embed = 1
    case rotaryTable = 2
    case normalize = 3
    case quantize = 4
    case multiply = 5
    case gate = 8
    case selectRows = 9
    case attend = 10
    case attendShared = 11
    case attendGrouped = 12
    case attendHybrid = 13
    case multiplyMasks = 14
}

extension Instruction {
    static let recordBytes = 64
    /// Stands for an operand that is left out.
    private static let absent: UInt32 = .max

    func encode(to writer: inout ByteWriter) {
        let start = writer.bytes.count
        switch self {
        case .embed(let table, let first, let output):
            writer.unsigned(Opcode.embed.rawValue)
            writer.number32(table.value)
            writer.number32(first)
            writer.number32(output.value)
        case .rotaryTable(let frequencies, let factor, let output):
            writer.unsigned(Opcode.rotaryTable.rawValue)
            writer.number32(frequencies.value)
            writer.float(factor)
            writer.number32(output.value)
        case .normalize(let input, let weight, let epsilon, let output):
            writer.unsigned(Opcode.normalize.rawValue)
            writer.number32(input.value)
            Instruction.encode(weight, to: &writer)
            writer.float(epsilon)
            writer.number32(output.value)
        case .quantize(let input, let output):
            writer.unsigned(Opcode.quantize.rawValue)
            writer.number32(input.value)
            writer.number32(output.value)
        case .multiply(let input, let weight, let bias, let output, let column, let accumulate):
            writer.unsigned(Opcode.multiply.rawValue)
            writer.number32(input.value)
            writer.number32(weight.value)
            Instruction.encode(bias, to: &writer)
            writer.number32(output.value)
            writer.number32(column)
            writer.number32(accumulate ? 1 : 0)
        case .multiplyMasks(let input, let weight, let output, let accumulate):
            writer.unsigned(Opcode.multiplyMasks.rawValue)
            writer.number32(input.value)
            writer.number32(weight.value)
            writer.number32(output.value)
            writer.number32(accumulate ? 1 : 0)
        case .attend(let attention):
            let distant = attention.window?.distant
            writer.unsigned((distant == nil ? Opcode.attend : .attendHybrid).rawValue)
            writer.number32(attention.projected.value)
            writer.number32(attention.rotary.value)
            writer.number32(attention.state.value)
            writer.number32(attention.queryHeads)
            Instruction.encode(attention.queryNorm, to: &writer)
            Instruction.encode(attention.keyNorm, to: &writer)
            writer.float(attention.epsilon)
            writer.float(attention.scale)
            writer.number32(attention.window?.length ?? 0)
            writer.number32(attention.output.value)
            writer.number32(attention.window?.sinks ?? 0)
            if let distant {
                writer.number32(distant.block)
                writer.number32(distant.queryMap.value)
                writer.number32(distant.keyMap.value)
                writer.number32(distant.gate.value)
            }
        case .attendShared(let attention):
            writer.unsigned(Opcode.attendShared.rawValue)
            writer.number32(attention.projected.value)
            writer.number32(attention.state.value)
            writer.number32(attention.donor.value)
            writer.number32(attention.headMap.count)
            writer.number32(attention.output.value)
        case .attendGrouped(let attention):
            writer.unsigned(Opcode.attendGrouped.rawValue)
            writer.number32(attention.projected.value)
            writer.number32(attention.rotary.value)
            writer.number32(attention.state.value)
            writer.number32(attention.queryHeads)
            Instruction.encode(attention.queryNorm, to: &writer)
            Instruction.encode(attention.keyNorm, to: &writer)
            writer.float(attention.epsilon)
            writer.float(attention.alpha)
            writer.number32(attention.group)
            Instruction.encode(attention.convolution, to: &writer)
            writer.number32(attention.output.value)
        case .gate(let input, let output):
            writer.unsigned(Opcode.gate.rawValue)
            writer.number32(input.value)
            writer.number32(output.value)
        case .selectRows(let input, let output):
            writer.unsigned(Opcode.selectRows.rawValue)
            writer.number32(input.value)
            writer.number32(output.value)
        }
        writer.zeros(start + Instruction.recordBytes - writer.bytes.count)
    }

    /// Reads one record, and from `headMaps` the entries that belong to it; `place` names the instruction in errors.
    init(
        _ reader: inout ByteReader, headMaps: inout ByteReader, at place: PlanError.Place
    ) throws(PlanError) {
        let end = reader.position + Instruction.recordBytes
        let word = try reader.unsigned32()
        guard let opcode = Opcode(rawValue: word) else {
            throw PlanError(.unsupported, "the opcode is known", at: place, found: .number(Int(word)))
        }
        switch opcode {
        case .embed:
            self = .embed(
                table: try TensorIndex(&reader), first: try reader.number32(), output: try BufferIndex(&reader))
        case .rotaryTable:
            self = .rotaryTable(
                frequencies: try TensorIndex(&reader), factor: try reader.float(), output: try BufferIndex(&reader))
        case .normalize:
            self = .normalize(
                input: try BufferIndex(&reader), weight: try Instruction.optionalTensor(&reader),
                epsilon: try reader.float(), output: try BufferIndex(&reader))
        case .quantize:
            self = .quantize(input: try BufferIndex(&reader), output: try BufferIndex(&reader))
        case .multiply:
            let input = try BufferIndex(&reader)
            let weight = try TensorIndex(&reader)
            let bias = try Instruction.optionalTensor(&reader)
            let output = try BufferIndex(&reader)
            let column = try reader.number32()
            self = .multiply(
                input: input, weight: weight, bias: bias, output: output, column: column,
                accumulate: try Instruction.accumulate(&reader, at: place))
        case .multiplyMasks:
            self = .multiplyMasks(
                input: try BufferIndex(&reader), weight: try TensorIndex(&reader), output: try BufferIndex(&reader),
                accumulate: try Instruction.accumulate(&reader, at: place))
        case .attend, .attendHybrid:
            var attention = SoftmaxAttention(
                projected: try BufferIndex(&reader), rotary: try BufferIndex(&reader),
                state: StateIndex(try reader.number32()), queryHeads: try reader.number32(),
                queryNorm: try Instruction.optionalTensor(&reader), keyNorm: try Instruction.optionalTensor(&reader),
                epsilon: try reader.float(), scale: try reader.float(), window: nil, output: BufferIndex(0))
            let length = try reader.number32()
            attention.output = try BufferIndex(&reader)
            let sinks = try reader.number32()
            guard length > 0 || sinks == 0 else {
                throw PlanError(
                    .invalid, "only a window has sinks", at: place, expected: .number(0), found: .number(sinks))
            }
            if length > 0 { attention.window = AttentionWindow(length: length, sinks: sinks) }
            if opcode == .attendHybrid {
                let distant = DistantSums(
                    block: try reader.number32(), queryMap: try TensorIndex(&reader), keyMap: try TensorIndex(&reader),
                    gate: try TensorIndex(&reader))
                attention.window = AttentionWindow(length: length, sinks: sinks, distant: distant)
            }
            self = .attend(attention)
        case .attendShared:
            let projected = try BufferIndex(&reader)
            let state = StateIndex(try reader.number32())
            let donor = StateIndex(try reader.number32())
            let headMap = try Instruction.headMap(count: try reader.number32(), &headMaps, at: place)
            self = .attendShared(
                SharedAttention(
                    projected: projected, state: state, donor: donor, headMap: headMap,
                    output: try BufferIndex(&reader)))
        case .attendGrouped:
            self = .attendGrouped(
                GroupedAttention(
                    projected: try BufferIndex(&reader), rotary: try BufferIndex(&reader),
                    state: StateIndex(try reader.number32()), queryHeads: try reader.number32(),
                    queryNorm: try Instruction.optionalTensor(&reader),
                    keyNorm: try Instruction.optionalTensor(&reader), epsilon: try reader.float(),
                    alpha: try reader.float(), group: try reader.number32(),
                    convolution: try Instruction.optionalTensor(&reader), output: try BufferIndex(&reader)))
        case .gate:
            self = .gate(input: try BufferIndex(&reader), output: try BufferIndex(&reader))
        case .selectRows:
            self = .selectRows(input: try BufferIndex(&reader), output: try BufferIndex(&reader))
        }
        try reader.zeros(end - reader.position)
    }

    private static func accumulate(
        _ reader: inout ByteReader, at place: PlanError.Place
    ) throws(PlanError) -> Bool {
        let word = try reader.unsigned32()
        guard word <= 1 else {
            throw PlanError(
                .invalid, "accumulate is 0 or 1", at: place, expected: .range(0, 1), found: .number(Int(word)))
        }
        return word == 1
    }

    private static func headMap(
        count: Int, _ headMaps: inout ByteReader, at place: PlanError.Place
    ) throws(PlanError) -> [Int] {
        let entries = headMaps.remaining / 4
        guard count <= entries else {
            throw PlanError(
                .invalid, "the head maps have an entry for every query head", at: place, expected: .range(0, entries),
                found: .number(count))
        }
        var map: [Int] = []
        map.reserveCapacity(count)
        for _ in 0..<count { map.append(try headMaps.number32()) }
        return map
    }

    private static func encode(_ tensor: TensorIndex?, to writer: inout ByteWriter) {
        if let tensor { writer.number32(tensor.value) } else { writer.unsigned(absent) }
    }

    private static func optionalTensor(_ reader: inout ByteReader) throws(PlanError) -> TensorIndex? {
        let word = try reader.unsigned32()
        return word == absent ? nil : TensorIndex(Int(word))
    }
}

extension TensorIndex {
    fileprivate init(_ reader: inout ByteReader) throws(PlanError) { self.init(try reader.number32()) }
}

extension BufferIndex {
    init(_ reader: inout ByteReader) throws(PlanError) { self.init(try reader.number32()) }
}
