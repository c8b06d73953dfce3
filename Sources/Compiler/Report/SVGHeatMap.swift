import Checkpoints

/// Values of pairs as colours: one cell for each row and column.
struct SVGHeatMap {
    let title: String
    let rowTitle: String
    let columnTitle: String
    let rowNames: [String]
    let columnNames: [String]
    /// One row of values for each name; a cell without a value, or with one that has no place on the scale, is empty.
    let values: [[Double?]]
    var scale = AxisScale.linear

    private static let nameLimit = 24
    private static let barWidth = 14

    /// The picture, its rows from top to bottom; equal maps give equal pictures.
    func figure() -> SVGFigure {
        let range = AxisRange(values.joined().compactMap { $0 }, scale: scale)
        let rows = rowNames.map { shortened(oneLine($0), to: SVGHeatMap.nameLimit) }
        let columns = columnNames.map { shortened(oneLine($0), to: SVGHeatMap.nameLimit) }
        let left = 30 + (rows.map { FigureStyle.width(of: $0) }.max() ?? 0)
        let top = 34 + (columns.map { FigureStyle.width(of: $0) }.max() ?? 0)
        let legendWidth = 40 + SVGHeatMap.barWidth + (range.ticks.map { FigureStyle.width(of: $0.label) }.max() ?? 0)
        let cell = min(26, max(4, (FigureStyle.width - left - legendWidth) / max(1, columns.count)))
        var canvas = SVGCanvas()
        drawNames(rows: rows, columns: columns, left: left, top: top, cell: cell, on: &canvas)
        var omitted = 0
        for (row, values) in values.prefix(rows.count).enumerated() {
            for (column, value) in values.prefix(columns.count).enumerated() {
                guard let value else { continue }
                guard let share = range.share(of: value) else {
                    omitted += 1
                    continue
                }
                canvas.rectangle(
                    x: left + column * cell, y: top + row * cell, width: cell, height: cell,
                    fill: SVGHeatMap.colour(at: share),
                    title: "\(oneLine(rowNames[row])), \(oneLine(columnNames[column])): \(value.significant())")
            }
        }
        let size = (width: cell * columns.count, height: cell * rows.count)
        canvas.rectangle(
            x: left, y: top, width: size.width, height: size.height, fill: "none", stroke: FigureStyle.ink)
        let legendHeight = max(size.height, 120)
        drawColours(range, x: left + size.width + 24, y: top, height: legendHeight, on: &canvas)
        var bottom = top + legendHeight + 14
        if let note = FigureStyle.note(omitted: omitted, because: scale.reasonForNoPlace) {
            canvas.text(note, x: left, y: bottom + 10, size: FigureStyle.textSize, fill: FigureStyle.ink)
            bottom += 18
        }
        return SVGFigure(
            title: title, width: max(FigureStyle.width, left + size.width + legendWidth), height: bottom, canvas: canvas
        )
    }

    /// As many names as have room beside their cells.
    private func drawNames(
        rows: [String], columns: [String], left: Int, top: Int, cell: Int, on canvas: inout SVGCanvas
    ) {
        let stride = (13 + cell - 1) / cell
        for (index, name) in rows.enumerated() where index % stride == 0 {
            canvas.text(
                name, x: left - 5, y: top + index * cell + cell / 2 + 4, size: FigureStyle.textSize,
                fill: FigureStyle.ink, anchor: .end)
        }
        for (index, name) in columns.enumerated() where index % stride == 0 {
            canvas.text(
                name, x: left + index * cell + cell / 2 + 4, y: top - 5, size: FigureStyle.textSize,
                fill: FigureStyle.ink, isVertical: true)
        }
        canvas.text(
            shortened(oneLine(columnTitle), to: 100), x: left, y: 14, size: FigureStyle.textSize, fill: FigureStyle.ink)
        canvas.text(
            shortened(oneLine(rowTitle), to: max(120, cell * rows.count) / 7), x: 14, y: top,
            size: FigureStyle.textSize, fill: FigureStyle.ink,
            anchor: .end, isVertical: true)
    }

    /// The scale of colours, its largest value on top.
    private func drawColours(_ range: AxisRange, x: Int, y: Int, height: Int, on canvas: inout SVGCanvas) {
        let steps = 40
        for step in 0..<steps {
            let (start, end) = (y + height * step / steps, y + height * (step + 1) / steps)
            canvas.rectangle(
                x: x, y: start, width: SVGHeatMap.barWidth, height: end - start,
                fill: SVGHeatMap.colour(at: 1 - (Double(step) + 0.5) / Double(steps)))
        }
        for tick in range.ticks {
            guard let share = range.share(of: tick.value) else { continue }
            canvas.text(
                tick.label, x: x + SVGHeatMap.barWidth + 5, y: y + Int(((1 - share) * Double(height)).rounded()) + 4,
                size: FigureStyle.textSize, fill: FigureStyle.ink)
        }
    }

    /// From dark blue over teal to light yellow: brightness rises all the way, so it also reads without colours.
    private static let stops: [(red: Double, green: Double, blue: Double)] = [
        (62, 60, 138), (45, 100, 150), (42, 145, 145), (122, 190, 106), (250, 232, 120),
    ]

    /// The colour of a share of the scale, 0...1.
    static func colour(at share: Double) -> String {
        let place = min(1, max(0, share)) * Double(stops.count - 1)
        let index = min(stops.count - 2, Int(place))
        let (from, to, part) = (stops[index], stops[index + 1], place - Double(index))
        func component(_ from: Double, _ to: Double) -> String {
            let text = String(Int((from + (to - from) * part).rounded()), radix: 16)
            return text.count == 1 ? "0\(text)" : text
        }
        return "#\(component(from.red, to.red))\(component(from.green, to.green))\(component(from.blue, to.blue))"
    }
}
