import Checkpoints

/// Points and lines over two axes.
struct SVGPlot {
    struct Axis {
        let title: String
        var scale = AxisScale.linear
    }

    enum Style {
        case points
        /// A line in the order of the points; it has a gap where a value has no place.
        case line
    }

    struct Point {
        let x: Double
        let y: Double
        /// Shown where the pointer rests on the point.
        var label: String?
    }

    struct Series {
        let name: String
        var style = Style.points
        let points: [Point]
    }

    let title: String
    let horizontal: Axis
    let vertical: Axis
    let series: [Series]

    private static let plotHeight = 300
    private static let top = 14

    /// The picture; equal plots give equal pictures.
    func figure() -> SVGFigure {
        let points = series.flatMap(\.points)
        let shown = points.filter { isShown($0) }
        let (x, y) = (
            AxisRange(shown.map(\.x), scale: horizontal.scale), AxisRange(shown.map(\.y), scale: vertical.scale)
        )
        let labelWidth = y.ticks.map { FigureStyle.width(of: $0.label) }.max() ?? 0
        let left = 30 + labelWidth
        let frame = Frame(
            left: left, top: SVGPlot.top, width: FigureStyle.width - left - 30, height: SVGPlot.plotHeight, x: x, y: y)
        var canvas = SVGCanvas()
        draw(axesOf: frame, on: &canvas)
        for (index, series) in series.enumerated() { draw(series, index, in: frame, on: &canvas) }
        var bottom = frame.bottom + 50
        if series.count > 1 {
            bottom = FigureStyle.drawLegend(
                series.map(\.name), on: &canvas, x: left, y: bottom, width: frame.width)
        }
        let scale: AxisScale = [horizontal.scale, vertical.scale].contains(.logarithmic) ? .logarithmic : .linear
        if let note = FigureStyle.note(omitted: points.count - shown.count, because: scale.reasonForNoPlace) {
            canvas.text(note, x: left, y: bottom + 10, size: FigureStyle.textSize, fill: FigureStyle.ink)
            bottom += 18
        }
        return SVGFigure(title: title, width: FigureStyle.width, height: bottom + 4, canvas: canvas)
    }

    private func isShown(_ point: Point) -> Bool {
        AxisRange.shows(point.x, on: horizontal.scale) && AxisRange.shows(point.y, on: vertical.scale)
    }

    private func draw(axesOf frame: Frame, on canvas: inout SVGCanvas) {
        for tick in frame.y.ticks {
            guard let y = frame.vertical(tick.value) else { continue }
            canvas.path(
                [(frame.left, y), (frame.right, y)], stroke: FigureStyle.ink, opacity: FigureStyle.gridOpacity)
            canvas.text(
                tick.label, x: frame.left - 6, y: y + 4, size: FigureStyle.textSize, fill: FigureStyle.ink, anchor: .end
            )
        }
        for tick in frame.x.ticks {
            guard let x = frame.horizontal(tick.value) else { continue }
            canvas.path(
                [(x, frame.top), (x, frame.bottom)], stroke: FigureStyle.ink, opacity: FigureStyle.gridOpacity)
            canvas.text(
                tick.label, x: x, y: frame.bottom + 16, size: FigureStyle.textSize, fill: FigureStyle.ink,
                anchor: .middle)
        }
        canvas.path(
            [(frame.left, frame.top), (frame.left, frame.bottom), (frame.right, frame.bottom)], stroke: FigureStyle.ink)
        canvas.text(
            shortened(oneLine(horizontal.title), to: 100), x: frame.left + frame.width / 2, y: frame.bottom + 36,
            size: FigureStyle.textSize, fill: FigureStyle.ink, anchor: .middle)
        canvas.text(
            shortened(oneLine(vertical.title), to: 42), x: 14, y: frame.top + frame.height / 2,
            size: FigureStyle.textSize, fill: FigureStyle.ink, anchor: .middle, isVertical: true)
    }

    private func draw(_ series: Series, _ index: Int, in frame: Frame, on canvas: inout SVGCanvas) {
        let colour = FigureStyle.colour(index)
        if series.style == .line {
            for part in series.points.split(whereSeparator: { !isShown($0) }) where part.count > 1 {
                canvas.path(part.compactMap { frame.place(of: $0) }, stroke: colour)
            }
        }
        for point in series.points {
            guard isShown(point), let place = frame.place(of: point) else { continue }
            let name = point.label ?? series.name
            canvas.circle(
                x: place.x, y: place.y, radius: series.style == .line ? 2 : 4, fill: colour,
                title: "\(oneLine(name)): \(point.x.significant()), \(point.y.significant())")
        }
    }
}

/// Where a plot's values lie on the canvas.
private struct Frame {
    let left: Int
    let top: Int
    let width: Int
    let height: Int
    let x: AxisRange
    let y: AxisRange

    var right: Int { left + width }
    var bottom: Int { top + height }

    func horizontal(_ value: Double) -> Int? {
        x.share(of: value).map { left + Int(($0 * Double(width)).rounded()) }
    }

    func vertical(_ value: Double) -> Int? {
        y.share(of: value).map { bottom - Int(($0 * Double(height)).rounded()) }
    }

    func place(of point: SVGPlot.Point) -> (x: Int, y: Int)? {
        guard let x = horizontal(point.x), let y = vertical(point.y) else { return nil }
        return (x, y)
    }
}
