import Checkpoints
import Plans

extension PlanDescription {
    /// The description as lines of text; `listsTensors` names every tensor instead of folding layers.
    public func text(listsTensors: Bool = false) -> [String] {
        var lines = ["plan \(oneLine(path))"]
        lines += overviewLines
        lines += ["", "sections"] + sectionLines
        if let facts { lines += ["", "facts"] + factLines(facts) }
        lines += ["", "weights by packing"] + packingLines
        lines += ["", "weights by part"] + partLines
        if listsTensors { lines += ["", "tensors"] + tensorLines }
        lines += ["", "states"] + stateLines
        lines += ["", "program"] + programLines
        lines += ["", "memory plan (instructions count from 0, body then head)"] + memoryLines
        return lines
    }

    private var overviewLines: [String] {
        let matrices = matrixTotal
        return [
            "  format \(formatVersion), digest \(digest)",
            "  \(fileSize.grouped) bytes (\(fileSize.asBytes))",
            "  \(matrices.weights.grouped) weights in \(matrices.tensors) matrices, "
                + "\(matrices.bitsPerWeight.rounded(toDecimals: 2)) bits a weight",
            "  context of \(program.contextLength.grouped) positions, vocabulary of "
                + "\(program.vocabularySize.grouped) tokens",
            "  steps of at most \(program.maximumRows) rows, logits of at most \(program.maximumOutputs) at once"
                + (program.maskCount > 0 ? ", masks in \(program.maskCount) places" : ""),
            "  arena of \(program.arenaBytes.grouped) bytes (\(program.arenaBytes.asBytes)), state of "
                + "\(stateBytesPerPosition.grouped) bytes a position"
                + (constantStateBytes > 0 ? " and \(constantStateBytes.grouped) bytes that do not grow" : ""),
            "  ends of generation: \(endsText)",
        ]
            + (keptWeightBytes > 0
                ? ["  attention weights kept for layers that share them: at most \(keptWeightBytes.asBytes)"] : [])
    }

    private var endsText: String {
        let ends = endsOfGeneration.map { "\($0.id) (\(oneLine($0.text, limit: 40)))" }
        return ends.isEmpty ? "none" : ends.joined(separator: ", ")
    }

    private var sectionLines: [String] {
        var table = TextTable(
            header: ["kind", "offset", "stored", "raw", "CRC-32"], rightAligned: [1, 2, 3])
        for section in sections {
            let digits = String(section.checksum, radix: 16)
            table.add(
                section.name, section.offset.grouped, section.storedSize.grouped, section.rawSize.grouped,
                String(repeating: "0", count: 8 - digits.count) + digits)
        }
        return table.lines()
    }

    private func factLines(_ facts: JSON) -> [String] {
        guard case .object(let members) = facts else { return ["  \(oneLine(facts.plainText))"] }
        return members.map { "  \(oneLine($0.key)): \(oneLine($0.value.plainText))" }
    }

    private var packingLines: [String] {
        var table = TextTable(
            header: ["packing", "tensors", "weights", "bytes", "bits a weight"], rightAligned: [1, 2, 3, 4])
        for total in weightsByPacking {
            table.add(
                total.name, "\(total.tensors)", total.weights.grouped, total.bytes.grouped,
                total.bitsPerWeight.rounded(toDecimals: 2))
        }
        return table.lines()
    }

    private var partLines: [String] {
        var table = TextTable(
            header: ["part", "tensors", "bytes", "bits a weight", "layout"], rightAligned: [1, 2, 3])
        for total in weightsByPart {
            table.add(
                total.name, "\(total.tensors)", total.bytes.grouped, total.bitsPerWeight.rounded(toDecimals: 2),
                total.layouts.joined(separator: "; "))
        }
        return table.lines()
    }

    private var tensorLines: [String] {
        var table = TextTable(header: ["name", "offset", "bytes", "layout"], rightAligned: [1, 2])
        for tensor in program.tensors {
            table.add(
                oneLine(String(decoding: tensor.name, as: UTF8.self)), tensor.offset.grouped,
                (tensor.byteCount ?? 0).grouped, tensor.layout.text)
        }
        return table.lines()
    }

    private var stateLines: [String] {
        let names = ProgramNames(program)
        var lines: [String] = []
        var first = 0
        while first < program.states.count {
            var last = first
            let text = names.stateText(StateIndex(first))
            while last + 1 < program.states.count, names.stateText(StateIndex(last + 1)) == text { last += 1 }
            let range = first == last ? "state \(first)" : "states \(first)-\(last)"
            lines.append("  \(range): \(text)")
            first = last + 1
        }
        return lines.isEmpty ? ["  none"] : lines
    }

    private var programLines: [String] {
        groups.flatMap { group -> [String] in
            let each = group.repetitions > 1 ? ", each" : ""
            let last = group.start + group.instructions.count * group.repetitions - 1
            return ["  \(group.title)\(each) (instructions \(group.start)-\(last))"] + group.lines.map { "    \($0)" }
        }
    }

    private var memoryLines: [String] {
        var table = TextTable(
            header: ["buffer", "shape", "offset", "bytes", "alive"], rightAligned: [2, 3])
        for row in MemoryPlanRow.rows(of: self) {
            table.add(row.name, row.shape, row.offset.grouped, row.bytes.grouped, row.lifetime)
        }
        return table.lines()
    }
}

/// A line of the memory plan: a buffer, or one of every layer that lies at the same place.
private struct MemoryPlanRow {
    var name: String
    let shape: String
    let offset: Int
    let bytes: Int
    var lifetime: String

    static func rows(of plan: PlanDescription) -> [MemoryPlanRow] {
        let names = ProgramNames(plan.program).buffers
        var lifetimes = [[ClosedRange<Int>]](repeating: [], count: plan.program.buffers.count)
        for value in plan.values { lifetimes[value.buffer].append(value.first...value.last) }
        var places: [Key: Int] = [:]
        var rows: [(row: MemoryPlanRow, count: Int)] = []
        for (index, buffer) in plan.program.buffers.enumerated() {
            let (name, lifetime) = (names[index], lifetimes[index])
            let duration = lifetime.map(\.count)
            let rowCount = plan.program.rowCount(buffer.rows)
            let shape = "\(rowCount) x \(buffer.shapeText)"
            let key = Key(name: name.folded, shape: shape, offset: buffer.offset, durations: duration)
            if name.layer != nil, let place = places[key] {
                rows[place].count += 1
                continue
            }
            if name.layer != nil { places[key] = rows.count }
            let text = lifetime.map { "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ", ")
            let row = MemoryPlanRow(
                name: name.full, shape: shape, offset: buffer.offset, bytes: plan.byteCount(of: buffer),
                lifetime: text)
            rows.append((row, 1))
        }
        return rows.map { row, count in
            guard count > 1 else { return row }
            var row = row
            row.name = LayerName(row.name).folded
            row.lifetime += ", and likewise in \(count - 1) more layers"
            return row
        }
    }

    private struct Key: Hashable {
        let name: String
        let shape: String
        let offset: Int
        let durations: [Int]
    }
}

extension Section {
    /// The section kind's name in formats/plan.md.
    var name: String { "\(Section.name(ofKind: kind))" }
}

extension JSON {
    /// The text of a string, everything else as JSON.
    var plainText: String {
        if case .string(let text) = self { text } else { String(decoding: encoded(), as: UTF8.self) }
    }
}
