import Checkpoints
import Plans

extension PlanDescription {
    /// Everything that the plan holds but the weights' values and the tokenizer's tables.
    public var json: JSON {
        let matrices = matrixTotal
        return .members([
            ("kind", .string("plan")), ("format_version", .string(formatVersion)), ("digest", .string(digest)),
            ("file_bytes", .count(fileSize)), ("sections", .array(sections.map(\.json))), ("facts", facts ?? .null),
            ("weights", .count(matrices.weights)), ("bits_per_weight", .number(matrices.bitsPerWeight)),
            ("weights_by_packing", .array(weightsByPacking.map(\.json))),
            ("weights_by_part", .array(weightsByPart.map(\.json))),
            ("context_length", .count(program.contextLength)), ("vocabulary_size", .count(program.vocabularySize)),
            ("maximum_rows", .count(program.maximumRows)), ("maximum_outputs", .count(program.maximumOutputs)),
            ("mask_places", .count(program.maskCount)),
            ("arena_bytes", .count(program.arenaBytes)), ("state_bytes_per_position", .count(stateBytesPerPosition)),
            ("state_bytes_constant", .count(constantStateBytes)),
            ("kept_weight_bytes", .count(keptWeightBytes)),
            ("end_of_generation_ids", .array(endsOfGeneration.map { .count($0.id) })),
            ("chat_template_bytes", .count(chatTemplateBytes)), ("logits", .count(program.logits.value)),
            ("tensors", .array(program.tensors.map(\.json))),
            ("states", .array(zip(program.states, program.windows).map { $0.json(window: $1) })),
            ("buffers", .array(bufferList)), ("body", .array(program.body.map { json(of: $0) })),
            ("head", .array(program.head.map { json(of: $0) })),
        ])
    }

    private var bufferList: [JSON] {
        var lifetimes = [[JSON]](repeating: [], count: program.buffers.count)
        for value in values { lifetimes[value.buffer].append(.array([.count(value.first), .count(value.last)])) }
        return zip(program.buffers, lifetimes).map { buffer, lifetimes in
            .members([
                ("name", .text(buffer.name)), ("element", .string(buffer.element.name)),
                ("rows", .count(program.rowCount(buffer.rows))), ("width", .count(buffer.width)),
                ("offset", .count(buffer.offset)), ("bytes", .count(byteCount(of: buffer))),
                ("lifetimes", .array(lifetimes)),
            ])
        }
    }

    /// Operands by their label; buffers, tensors and states as indices into the lists.
    private func json(of instruction: Instruction) -> JSON {
        let outline = InstructionOutline(instruction)
        let operands: [(key: String, value: JSON)] = outline.operands.map { part in
            let value: JSON =
                switch part.operand {
                case .buffer(let index): .count(index.value)
                case .tensor(let index): .count(index.value)
                case .state(let index), .donor(let index): .count(index.value)
                case .heads(let map): .array(map.map(JSON.count))
                case .count(let count): .count(count)
                case .number(let number): .number(Double(number))
                case .flag(let flag): .boolean(flag)
                }
            return (part.label.replacing(" ", with: "_"), value)
        }
        return .object(JSONObject([("operation", .string(outline.operation))] + operands))
    }
}

extension Section {
    fileprivate var json: JSON {
        .members([
            ("kind", .string(name)), ("offset", .count(offset)), ("stored_bytes", .count(storedSize)),
            ("raw_bytes", .count(rawSize)), ("crc32", .integer(Int64(checksum))),
            ("deflated", .boolean(flags.contains(.deflated))),
        ])
    }
}

extension WeightTotal {
    fileprivate var json: JSON {
        .members([
            ("name", .string(name)), ("tensors", .count(tensors)), ("weights", .count(weights)),
            ("bytes", .count(bytes)), ("bits_per_weight", .number(bitsPerWeight)),
        ])
    }
}

extension Tensor {
    fileprivate var json: JSON {
        let (packing, group, shape): (JSON, JSON, [Int]) =
            switch layout {
            case .vector(let count): (.null, .null, [count])
            case .matrix(.integer(let codes, let group), let rows, let columns):
                (.string(codes.name), .count(group.rawValue), [rows, columns])
            case .matrix(let packing, let rows, let columns): (.string(packing.name), .null, [rows, columns])
            }
        return .members([
            ("name", .text(name)), ("packing", packing), ("group", group), ("shape", .array(shape.map(JSON.count))),
            ("offset", .count(offset)), ("bytes", .count(byteCount ?? 0)),
        ])
    }
}

extension MixerState {
    /// What of the sequence it holds is null for everything.
    fileprivate func json(window: AttentionWindow?) -> JSON {
        .members([
            ("kind", .string(kindName)), ("heads", .count(heads)), ("dimensions", .count(dimensions)),
            ("element", .string(element.name)), ("bytes_per_position", .count(bytesPerPosition)),
            ("window", window.map { .count($0.length) } ?? .null), ("sinks", window.map { .count($0.sinks) } ?? .null),
            ("features", sums.map { .count($0.features) } ?? .null),
        ])
    }
}
