import Plans

/// The instructions as boxes from top to bottom, one frame a group, and arrows from the box that writes a buffer to
/// those that read it: straight to the next box, in lanes on the left to later ones.
struct ProgramFlow {
    private struct Box {
        let instruction: Instruction
        let index: Int
        let layer: Int?
        let details: [String]
        let height: Int
        var y = 0
    }

    private struct Edge: Hashable {
        let from: Int
        let to: Int
        let buffer: Int
        let label: String
    }

    private struct Frame {
        let title: String
        let boxes: Range<Int>
        var y = 0
        var height = 0
    }

    private let names: ProgramNames
    private var boxes: [Box] = []
    private var frames: [Frame] = []
    private var edges: [Edge] = []

    private static let boxWidth = 400
    private static let labelWidth = 128
    private static let laneWidth = 14
    private static let maximumLanes = 12
    private static let gap = 30
    private static let detailLimit = 66

    init(_ program: Program, groups: [InstructionGroup]) {
        names = ProgramNames(program)
        for group in groups {
            let first = boxes.count
            let layer = group.layers?.lowerBound
            for (index, instruction) in group.instructions.enumerated() {
                let details = ProgramFlow.lines(names.details(of: instruction, in: layer))
                boxes.append(
                    Box(
                        instruction: instruction, index: group.start + index, layer: layer, details: details,
                        height: 30 + 15 * details.count))
            }
            frames.append(Frame(title: ProgramFlow.title(of: group, names: names), boxes: first..<boxes.count))
        }
        edges = ProgramFlow.edges(of: boxes, names: names)
    }

    /// Draws at a place and returns the size that it took.
    func draw(on canvas: inout SVGCanvas, x: Int, y: Int) -> (width: Int, height: Int) {
        var (boxes, frames) = (boxes, frames)
        let end = ProgramFlow.place(&boxes, &frames, from: y)
        let (lanes, laneCount) = ProgramFlow.lanes(of: edges)
        let left = x + laneCount * ProgramFlow.laneWidth + ProgramFlow.labelWidth
        for frame in frames {
            canvas.rectangle(
                x: left - 14, y: frame.y, width: ProgramFlow.boxWidth + 28, height: frame.height, fill: "none",
                stroke: GraphPalette.frame, radius: 8, dashed: true)
            canvas.text(frame.title, x: left, y: frame.y + 18, size: 12, fill: GraphPalette.line, bold: true)
        }
        draw(edges: lanes, of: boxes, left: left, on: &canvas)
        for box in boxes { draw(box, left: left, on: &canvas) }
        if let last = boxes.last {
            let (middle, bottom) = (left + ProgramFlow.boxWidth / 2, last.y + last.height)
            canvas.path([(middle, bottom), (middle, bottom + 30)], stroke: GraphPalette.line, hasArrow: true)
            let logits = names.shaped(names.program.logits, in: nil)
            canvas.text(shortened(logits, to: 60), x: middle + 8, y: bottom + 27, size: 10, fill: GraphPalette.line)
        }
        return (left - x + ProgramFlow.boxWidth + 14, end - y + 12)
    }

    private func draw(_ box: Box, left: Int, on canvas: inout SVGCanvas) {
        canvas.rectangle(
            x: left, y: box.y, width: ProgramFlow.boxWidth, height: box.height,
            fill: GraphPalette.fill(of: box.instruction), stroke: GraphPalette.line, radius: 5,
            title: names.line(for: box.instruction, in: box.layer))
        canvas.text(InstructionOutline(box.instruction).operation, x: left + 12, y: box.y + 20, size: 13, bold: true)
        canvas.text(
            "\(box.index)", x: left + ProgramFlow.boxWidth - 10, y: box.y + 19, size: 10, fill: GraphPalette.faint,
            anchor: .end)
        for (line, detail) in box.details.enumerated() {
            canvas.text(detail, x: left + 12, y: box.y + 36 + 15 * line, size: 11, fill: GraphPalette.line)
        }
    }

    private func draw(edges: [(edge: Edge, lane: Int?)], of boxes: [Box], left: Int, on canvas: inout SVGCanvas) {
        let middle = left + ProgramFlow.boxWidth / 2
        var entries = [Int](repeating: 0, count: boxes.count)
        var labels: [Int: [String]] = [:]
        for (edge, lane) in edges {
            let (source, target) = (boxes[edge.from], boxes[edge.to])
            guard let lane else {
                labels[edge.from, default: []].append(edge.label)
                continue
            }
            let laneX = left - ProgramFlow.labelWidth - lane * ProgramFlow.laneWidth
            let entry = target.y + 14 + 14 * min(entries[edge.to], (target.height - 16) / 14)
            entries[edge.to] += 1
            let exit = source.y + source.height - 7
            canvas.path(
                [(left, exit), (laneX, exit), (laneX, entry), (left, entry)], stroke: GraphPalette.faint,
                hasArrow: true, title: edge.label)
            canvas.text(
                shortened(edge.label, to: 20), x: left - 17, y: entry - 3, size: 10, fill: GraphPalette.line,
                anchor: .end)
        }
        for (index, box) in boxes.enumerated() {
            guard let texts = labels[index] else { continue }
            let bottom = box.y + box.height
            canvas.path([(middle, bottom), (middle, boxes[index + 1].y)], stroke: GraphPalette.line, hasArrow: true)
            canvas.text(
                shortened(texts.joined(separator: ", "), to: 60), x: middle + 8, y: bottom + 15, size: 10,
                fill: GraphPalette.line)
        }
    }

    /// Details side by side while they fit into a line.
    private static func lines(_ details: [String]) -> [String] {
        var lines: [String] = []
        for detail in details {
            if let last = lines.last, last.count + detail.count + 2 <= detailLimit {
                lines[lines.count - 1] = "\(last); \(detail)"
            } else {
                lines.append(shortened(detail, to: detailLimit))
            }
        }
        return lines
    }

    private static func title(of group: InstructionGroup, names: ProgramNames) -> String {
        var bytes = 0
        for index in Set(group.instructions.flatMap { InstructionOutline($0).tensors }) {
            bytes += names.program.tensors[index.value].byteCount ?? 0
        }
        let each = group.repetitions > 1 ? " (\(group.repetitions) times), each" : ","
        return bytes > 0 ? "\(group.title)\(each) \(bytes.asBytes) of weights" : group.title
    }

    private static func edges(of boxes: [Box], names: ProgramNames) -> [Edge] {
        var writers: [Int: Int] = [:]
        var edges: [Edge] = []
        for (index, box) in boxes.enumerated() {
            let uses = box.instruction.bufferUses
            for buffer in uses.reads + [uses.updates].compactMap({ $0 }) {
                guard let writer = writers[buffer.value] else { continue }
                edges.append(
                    Edge(from: writer, to: index, buffer: buffer.value, label: names.shaped(buffer, in: box.layer)))
            }
            if let buffer = uses.writes ?? uses.updates { writers[buffer.value] = index }
        }
        return edges
    }

    private static func place(_ boxes: inout [Box], _ frames: inout [Frame], from y: Int) -> Int {
        var line = y
        for index in frames.indices {
            frames[index].y = line
            line += 28
            for box in frames[index].boxes {
                boxes[box].y = line
                line += boxes[box].height + gap
            }
            line += 12 - gap
            frames[index].height = line - frames[index].y
            line += 18
        }
        return line
    }

    /// A lane for every edge that does not go to the next box: edges in one lane do not meet.
    private static func lanes(of edges: [Edge]) -> (lanes: [(edge: Edge, lane: Int?)], count: Int) {
        var ends: [Int] = []
        var lanes: [(edge: Edge, lane: Int?)] = []
        for edge in edges.sorted(by: { ($0.from, $0.to, $0.buffer) < ($1.from, $1.to, $1.buffer) }) {
            guard edge.to > edge.from + 1 else {
                lanes.append((edge, nil))
                continue
            }
            let free = ends.firstIndex { $0 <= edge.from }
            let lane = free ?? min(ends.count, maximumLanes - 1)
            if lane == ends.count { ends.append(edge.to) } else { ends[lane] = max(ends[lane], edge.to) }
            lanes.append((edge, lane))
        }
        return (lanes, ends.count)
    }
}
