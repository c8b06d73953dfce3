import Checkpoints

/// Horizontal bars, each a stack of parts with one colour for each kind of part.
struct SVGBars {
    struct Bar {
        let name: String
        /// One value for each kind, none of them negative.
        let parts: [Double]
    }

    let title: String
    /// What the lengths mean, with their unit.
    let axisTitle: String
    let kinds: [String]
    let bars: [Bar]

    private static let barHeight = 15
    private static let pitch = 20
    private static let totalWidth = 64
    private static let nameLimit = 32

    /// The picture, its bars from top to bottom; equal bars give equal pictures.
    func figure() -> SVGFigure {
        let stacks = bars.map { stack(of: $0) }
        let range = AxisRange(stacks.map(\.total), scale: .linear, includesZero: true)
        let names = bars.map { shortened(oneLine($0.name), to: SVGBars.nameLimit) }
        let left = 14 + (names.map { FigureStyle.width(of: $0) }.max() ?? 0)
        let width = FigureStyle.width - left - SVGBars.totalWidth
        let bottom = 10 + SVGBars.pitch * bars.count
        var canvas = SVGCanvas()
        func place(_ value: Double) -> Int { left + Int(((range.share(of: value) ?? 0) * Double(width)).rounded()) }

        for tick in range.ticks {
            let x = place(tick.value)
            canvas.path([(x, 6), (x, bottom)], stroke: FigureStyle.ink, opacity: FigureStyle.gridOpacity)
            canvas.text(
                tick.label, x: x, y: bottom + 15, size: FigureStyle.textSize, fill: FigureStyle.ink, anchor: .middle)
        }
        for (index, stack) in stacks.enumerated() {
            let line = 10 + SVGBars.pitch * index
            canvas.text(
                names[index], x: left - 6, y: line + 11, size: FigureStyle.textSize, fill: FigureStyle.ink, anchor: .end
            )
            for part in stack.parts {
                // Edges are rounded, not widths, so that parts neither overlap nor leave gaps.
                let (start, end) = (place(part.start), place(part.end))
                canvas.rectangle(
                    x: start, y: line, width: end - start, height: SVGBars.barHeight,
                    fill: FigureStyle.colour(part.kind),
                    title: "\(oneLine(bars[index].name)), \(oneLine(kinds[part.kind])): "
                        + (part.end - part.start).significant())
            }
            canvas.text(
                stack.total.significant(), x: place(stack.total) + 5, y: line + 11, size: FigureStyle.textSize,
                fill: FigureStyle.ink)
        }
        canvas.text(
            shortened(oneLine(axisTitle), to: 100), x: left + width / 2, y: bottom + 34, size: FigureStyle.textSize,
            fill: FigureStyle.ink, anchor: .middle)
        var end = FigureStyle.drawLegend(
            kinds, on: &canvas, x: left, y: bottom + 48, width: FigureStyle.width - left)
        let omitted = stacks.reduce(0) { $0 + $1.omitted }
        if let note = FigureStyle.note(omitted: omitted, because: "negative or not finite") {
            canvas.text(note, x: left, y: end + 10, size: FigureStyle.textSize, fill: FigureStyle.ink)
            end += 18
        }
        return SVGFigure(title: title, width: FigureStyle.width, height: end + 4, canvas: canvas)
    }

    private struct Stack {
        var parts: [(kind: Int, start: Double, end: Double)] = []
        var total = 0.0
        /// Parts that are negative or no number.
        var omitted = 0
    }

    private func stack(of bar: Bar) -> Stack {
        var stack = Stack()
        for (kind, value) in bar.parts.prefix(kinds.count).enumerated() where value != 0 {
            guard value > 0, (stack.total + value).isFinite else {
                stack.omitted += 1
                continue
            }
            stack.parts.append((kind, stack.total, stack.total + value))
            stack.total += value
        }
        return stack
    }
}
