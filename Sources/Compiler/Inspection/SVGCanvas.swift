/// Collects the elements of an SVG picture; coordinates are whole pixels, so the text of a picture is stable.
struct SVGCanvas {
    enum Anchor: String {
        case start, middle, end
    }

    private var elements: [String] = []

    mutating func rectangle(
        x: Int, y: Int, width: Int, height: Int, fill: String, stroke: String = "none", radius: Int = 0,
        dashed: Bool = false, title: String? = nil
    ) {
        let dash = dashed ? " stroke-dasharray=\"5 4\"" : ""
        append(
            "rect",
            "x=\"\(x)\" y=\"\(y)\" width=\"\(max(0, width))\" height=\"\(max(0, height))\" rx=\"\(radius)\" "
                + "fill=\"\(fill)\" stroke=\"\(stroke)\"\(dash)", title: title)
    }

    mutating func circle(x: Int, y: Int, radius: Int, fill: String, title: String? = nil) {
        append("circle", "cx=\"\(x)\" cy=\"\(y)\" r=\"\(max(0, radius))\" fill=\"\(fill)\"", title: title)
    }

    /// A line of text; `isVertical` turns it around its place, so that it is read from the bottom to the top.
    mutating func text(
        _ text: String, x: Int, y: Int, size: Int = 12, fill: String = "#1f2933", bold: Bool = false,
        anchor: Anchor = .start, isVertical: Bool = false
    ) {
        let weight = bold ? " font-weight=\"600\"" : ""
        let turn = isVertical ? " transform=\"rotate(-90 \(x) \(y))\"" : ""
        elements.append(
            "<text x=\"\(x)\" y=\"\(y)\" font-size=\"\(size)\" fill=\"\(fill)\"\(weight) "
                + "text-anchor=\"\(anchor.rawValue)\"\(turn)>\(Markup.escape(text))</text>")
    }

    /// A line through points, with an arrow head at its end where `hasArrow`. `opacity` is in percent.
    mutating func path(
        _ points: [(x: Int, y: Int)], stroke: String, hasArrow: Bool = false, opacity: Int = 100, title: String? = nil
    ) {
        let commands = points.enumerated().map { "\($0 == 0 ? "M" : "L")\($1.x) \($1.y)" }.joined(separator: " ")
        let arrow = hasArrow ? " marker-end=\"url(#arrow)\"" : ""
        let faintness = opacity < 100 ? " stroke-opacity=\"\(max(0, opacity))%\"" : ""
        append(
            "path",
            "d=\"\(commands)\" fill=\"none\" stroke=\"\(stroke)\" stroke-width=\"1.4\" stroke-linejoin=\"round\""
                + faintness + arrow, title: title)
    }

    /// An element without content but the text that a browser shows where the pointer rests on it.
    private mutating func append(_ name: String, _ attributes: String, title: String?) {
        let content = title.map { "><title>\(Markup.escape($0))</title></\(name)>" } ?? "/>"
        elements.append("<\(name) \(attributes)\(content)")
    }

    /// The picture as an SVG file.
    func document(width: Int, height: Int, title: String) -> String {
        """
        <?xml version="1.0" encoding="UTF-8"?>
        <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" \
        viewBox="0 0 \(width) \(height)" font-family="Helvetica, Arial, sans-serif">
        <title>\(Markup.escape(title))</title>
        <defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">\
        <path d="M0 0 L8 4 L0 8 z" fill="#52606d"/></marker></defs>
        <rect width="100%" height="100%" fill="#ffffff"/>
        \(elements.joined(separator: "\n"))
        </svg>

        """
    }

    /// The picture as an element of an HTML page: transparent, its `currentColor` that of the page's text. It has no
    /// arrow heads.
    func element(width: Int, height: Int, title: String) -> String {
        """
        <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" \
        viewBox="0 0 \(width) \(height)" font-family="Helvetica, Arial, sans-serif" role="img" \
        aria-label="\(Markup.escape(title))">
        \(elements.joined(separator: "\n"))
        </svg>
        """
    }
}

/// Text that is at most `count` characters long: a longer one loses its middle.
func shortened(_ text: String, to count: Int) -> String {
    guard text.count > count, count > 4 else { return text }
    let head = (count - 1) / 2
    return "\(text.prefix(head))\u{2026}\(text.suffix(count - 1 - head))"
}
