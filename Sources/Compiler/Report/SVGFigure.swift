import Checkpoints

/// A finished picture of a report. It takes the colour of the page's text where it stands in a page, and is black on
/// white as a file.
struct SVGFigure {
    let title: String
    let width: Int
    let height: Int
    let canvas: SVGCanvas

    /// An `svg` element for an HTML page.
    var element: String { canvas.element(width: width, height: height, title: title) }

    /// The picture as an SVG file.
    var document: String { canvas.document(width: width, height: height, title: title) }
}

/// What the figures of a report have in common.
enum FigureStyle {
    /// Pixels of every figure from left to right.
    static let width = 780
    /// Text and lines: the colour of the text around the figure.
    static let ink = "currentColor"
    static let textSize = 11
    /// Strength of the lines of a grid, in percent.
    static let gridOpacity = 18

    /// Colours that stay apart from each other, on white and on black, given out in turn.
    static let series = [
        "#3b82c4", "#d9772b", "#3f9c5a", "#c2548f", "#8a6fd1", "#a3862b", "#2a9d9d", "#d1495b", "#7a8a99", "#a0693e",
    ]

    static func colour(_ index: Int) -> String { series[index % series.count] }

    /// About how many pixels a text takes.
    static func width(of text: String) -> Int { text.count * 13 * textSize / 20 }

    /// What is said below a figure that leaves values out, or nil where it shows them all.
    static func note(omitted count: Int, because reason: String) -> String? {
        count == 0 ? nil : "\(count.grouped) \(count == 1 ? "value" : "values") not shown: \(reason)."
    }

    /// Draws names with their colours in as many lines as they need and returns where they end.
    static func drawLegend(_ names: [String], on canvas: inout SVGCanvas, x: Int, y: Int, width: Int) -> Int {
        var (left, line) = (x, y)
        for (index, name) in names.enumerated() {
            let text = shortened(oneLine(name), to: 48)
            let needed = 18 + FigureStyle.width(of: text) + 16
            if left > x, left + needed > x + width { (left, line) = (x, line + 18) }
            canvas.rectangle(x: left, y: line, width: 12, height: 12, fill: colour(index), radius: 2)
            canvas.text(text, x: left + 18, y: line + 10, size: textSize, fill: ink)
            left += needed
        }
        return names.isEmpty ? y : line + 18
    }
}
