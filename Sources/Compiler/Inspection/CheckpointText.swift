import Checkpoints
import Models

extension CheckpointDescription {
    /// The description as lines of text; `listsTensors` names every tensor instead of folding layers.
    public func text(listsTensors: Bool = false) -> [String] {
        let bits = 8 * Double(byteCount) / Double(max(1, elementCount))
        var lines = [
            "checkpoint \(oneLine(path))", "  \(format)",
            "  \(tensors.count) tensors, \(elementCount.grouped) elements, \(byteCount.grouped) bytes "
                + "(\(byteCount.asBytes)), \(bits.rounded(toDecimals: 2)) bits an element",
        ]
        lines += ["", "model"] + modelLines
        lines += ["", "metadata"] + metadata.flatMap { CheckpointDescription.lines(key: $0.key, value: $0.value) }
        lines += ["", "tensors by type"] + typeLines
        lines += ["", "tensors"] + (listsTensors ? allTensorLines : foldedTensorLines)
        return lines
    }

    private var modelLines: [String] {
        switch model {
        case .success(let sizes):
            return sizes.map { "  \($0.key.replacing("_", with: " ")): \(oneLine($0.value.plainText))" }
        case .failure(let error):
            return ["  cannot be compiled: \(oneLine(error.cause, limit: 1000))"]
        }
    }

    /// One line a value; the members of a JSON file have a line each.
    private static func lines(key: String, value: JSON) -> [String] {
        if case .object(let members) = value {
            return ["  \(oneLine(key))"] + members.map { "    \(oneLine($0.key)): \(summary($0.value))" }
        }
        return ["  \(oneLine(key)): \(summary(value))"]
    }

    private static func summary(_ value: JSON) -> String {
        switch value {
        case .array(let elements) where elements.count > 8:
            let first = elements.prefix(4).map { oneLine($0.plainText, limit: 20) }.joined(separator: ", ")
            return "\(elements.count.grouped) values: \(first), ..."
        default: return oneLine(value.plainText, limit: 100)
        }
    }

    private var typeLines: [String] {
        var names: [String] = []
        var totals: [String: (tensors: Int, elements: Int, bytes: Int)] = [:]
        for tensor in tensors {
            if totals[tensor.typeName] == nil { names.append(tensor.typeName) }
            var total = totals[tensor.typeName] ?? (0, 0, 0)
            total.tensors += 1
            total.elements += tensor.shape.reduce(1, *)
            total.bytes += tensor.byteCount
            totals[tensor.typeName] = total
        }
        var table = TextTable(header: ["type", "tensors", "elements", "bytes"], rightAligned: [1, 2, 3])
        for name in names {
            guard let total = totals[name] else { continue }
            table.add(name, "\(total.tensors)", total.elements.grouped, total.bytes.grouped)
        }
        return table.lines()
    }

    private var allTensorLines: [String] {
        var table = TextTable(header: ["name", "type", "shape", "bytes"], rightAligned: [3])
        for tensor in tensors {
            table.add(oneLine(tensor.name), tensor.typeName, tensor.shapeText, tensor.byteCount.grouped)
        }
        return table.lines()
    }

    /// Tensors of one type and shape that differ only in their layer share a line.
    private var foldedTensorLines: [String] {
        var places: [String: Int] = [:]
        var rows: [(name: String, tensor: TensorListing, count: Int)] = []
        for tensor in tensors {
            let name = LayerName(oneLine(tensor.name)).folded
            let key = "\(name) \(tensor.typeName) \(tensor.shapeText)"
            if let place = places[key] {
                rows[place].count += 1
            } else {
                places[key] = rows.count
                rows.append((name, tensor, 1))
            }
        }
        var table = TextTable(header: ["name", "count", "type", "shape", "bytes each"], rightAligned: [1, 4])
        for row in rows {
            table.add(
                row.name, "\(row.count)", row.tensor.typeName, row.tensor.shapeText, row.tensor.byteCount.grouped)
        }
        return table.lines()
    }
}

extension TensorListing {
    /// Extents, outermost first.
    fileprivate var shapeText: String {
        shape.isEmpty ? "scalar" : shape.map(String.init).joined(separator: " x ")
    }
}
