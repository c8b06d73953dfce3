import Plans

/// The arena as rectangles: instructions from left to right, bytes from top to bottom, one rectangle for each value
/// from the instruction that writes it to the last one that needs it.
struct ArenaTimeline {
    static let width = 760
    private static let height = 420
    private static let legendColumns = 3

    private let plan: PlanDescription
    private let names: [LayerName]
    private let duration: Int

    init(_ plan: PlanDescription) {
        self.plan = plan
        names = ProgramNames(plan.program).buffers
        duration = max(1, plan.program.body.count + plan.program.head.count)
    }

    /// Draws the timeline with its legend and returns where it ends.
    func draw(on canvas: inout SVGCanvas, x: Int, y: Int) -> Int {
        canvas.text(
            "Arena over time: \(plan.program.arenaBytes.asBytes) for steps of \(plan.program.maximumRows) rows", x: x,
            y: y + 12, size: 14, bold: true)
        let top = y + 28
        drawAxes(on: &canvas, x: x, y: top)
        var colours: [String: Int] = [:]
        var order: [(name: String, buffer: Buffer)] = []
        for value in plan.values {
            let name = names[value.buffer].folded
            if colours[name] == nil {
                colours[name] = order.count
                order.append((name, plan.program.buffers[value.buffer]))
            }
            draw(value, colour: ArenaTimeline.colour(colours[name] ?? 0), on: &canvas, x: x, y: top)
        }
        canvas.rectangle(
            x: x, y: top, width: ArenaTimeline.width, height: ArenaTimeline.height, fill: "none",
            stroke: GraphPalette.line)
        return drawLegend(order, on: &canvas, x: x, y: top + ArenaTimeline.height + 34)
    }

    private func draw(
        _ value: ValueLifetimes.Value, colour: String, on canvas: inout SVGCanvas, x: Int, y: Int
    ) {
        let buffer = plan.program.buffers[value.buffer]
        let bytes = plan.byteCount(of: buffer)
        let (left, right) = (horizontal(value.first), horizontal(value.last + 1))
        let (upper, lower) = (vertical(buffer.offset), vertical(buffer.offset + bytes))
        canvas.rectangle(
            x: x + left, y: y + upper, width: max(1, right - left), height: max(1, lower - upper), fill: colour,
            stroke: right - left > 6 && lower - upper > 4 ? "#ffffff" : "none",
            title: "\(names[value.buffer].full): bytes \(buffer.offset.grouped) to \((buffer.offset + bytes).grouped), "
                + "instructions \(value.first)-\(value.last)")
        if right - left > 70, lower - upper > 14 {
            canvas.text(
                shortened(names[value.buffer].part, to: (right - left) / 6), x: x + (left + right) / 2,
                y: y + (upper + lower) / 2 + 4, size: 11, anchor: .middle)
        }
    }

    private func drawAxes(on canvas: inout SVGCanvas, x: Int, y: Int) {
        for part in 0...4 {
            let line = y + ArenaTimeline.height * part / 4
            canvas.path([(x, line), (x + ArenaTimeline.width, line)], stroke: "#e4e7eb")
            let bytes = plan.program.arenaBytes / 4 * part
            canvas.text(
                bytes.asBytes, x: x + ArenaTimeline.width + 6, y: line + 4, size: 10, fill: GraphPalette.faint)
        }
        var labelEnd = -100
        let bottom = y + ArenaTimeline.height
        for group in plan.groups {
            for repetition in 0..<group.repetitions {
                let place = horizontal(group.start + repetition * group.instructions.count)
                guard place >= labelEnd else { continue }
                let title = group.layers.map { "layer \($0.lowerBound + repetition)" } ?? group.title
                canvas.path([(x + place, bottom), (x + place, bottom + 6)], stroke: GraphPalette.line)
                canvas.text(shortened(title, to: 14), x: x + place, y: bottom + 18, size: 10, fill: GraphPalette.line)
                labelEnd = place + 62
            }
        }
    }

    private func drawLegend(
        _ entries: [(name: String, buffer: Buffer)], on canvas: inout SVGCanvas, x: Int, y: Int
    ) -> Int {
        let columnWidth = ArenaTimeline.width / ArenaTimeline.legendColumns
        let shown = entries.prefix(30)
        for (index, entry) in shown.enumerated() {
            let left = x + index % ArenaTimeline.legendColumns * columnWidth
            let line = y + index / ArenaTimeline.legendColumns * 18
            canvas.rectangle(x: left, y: line, width: 12, height: 12, fill: ArenaTimeline.colour(index), radius: 2)
            canvas.text(
                shortened("\(entry.name), \(plan.byteCount(of: entry.buffer).asBytes)", to: 42), x: left + 18,
                y: line + 10, size: 10)
        }
        return y + (shown.count + ArenaTimeline.legendColumns - 1) / ArenaTimeline.legendColumns * 18
    }

    private static func colour(_ index: Int) -> String {
        GraphPalette.series[index % GraphPalette.series.count]
    }

    private func horizontal(_ time: Int) -> Int { time * ArenaTimeline.width / duration }

    private func vertical(_ offset: Int) -> Int {
        Int(Double(offset) / Double(max(1, plan.program.arenaBytes)) * Double(ArenaTimeline.height))
    }
}
