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
        let start =
            "<rect x=\"\(x)\" y=\"\(y)\" width=\"\(max(0, width))\" height=\"\(max(0, height))\" rx=\"\(radius)\" "
            + "fill=\"\(fill)\" stroke=\"\(stroke)\"\(dash)"
        elements.append(title.map { "\(start)><title>\(SVGCanvas.escape($0))</title></rect>" } ?? "\(start)/>")
    }

    mutating func text(
        _ text: String, x: Int, y: Int, size: Int = 12, fill: String = "#1f2933", bold: Bool = false,
        anchor: Anchor = .start
    ) {
        let weight = bold ? " font-weight=\"600\"" : ""
        elements.append(
            "<text x=\"\(x)\" y=\"\(y)\" font-size=\"\(size)\" fill=\"\(fill)\"\(weight) "
                + "text-anchor=\"\(anchor.rawValue)\">\(SVGCanvas.escape(text))</text>")
    }

    /// A line through points, with an arrow head at its end where `hasArrow`.
    mutating func path(_ points: [(x: Int, y: Int)], stroke: String, hasArrow: Bool = false, title: String? = nil) {
        let commands = points.enumerated().map { "\($0 == 0 ? "M" : "L")\($1.x) \($1.y)" }.joined(separator: " ")
        let arrow = hasArrow ? " marker-end=\"url(#arrow)\"" : ""
        let start =
            "<path d=\"\(commands)\" fill=\"none\" stroke=\"\(stroke)\" stroke-width=\"1.4\" "
            + "stroke-linejoin=\"round\"\(arrow)"
        elements.append(title.map { "\(start)><title>\(SVGCanvas.escape($0))</title></path>" } ?? "\(start)/>")
    }

    /// The picture as an SVG file.
    func document(width: Int, height: Int, title: String) -> String {
        """
        <?xml version="1.0" encoding="UTF-8"?>
        <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" \
        viewBox="0 0 \(width) \(height)" font-family="Helvetica, Arial, sans-serif">
        <title>\(SVGCanvas.escape(title))</title>
        <defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">\
        <path d="M0 0 L8 4 L0 8 z" fill="#52606d"/></marker></defs>
        <rect width="100%" height="100%" fill="#ffffff"/>
        \(elements.joined(separator: "\n"))
        </svg>

        """
    }

    /// Text as XML content: what XML does not allow, and what would turn the text around, becomes U+FFFD.
    static func escape(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            case "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
            default:
                switch scalar.properties.generalCategory {
                case .control, .format, .lineSeparator, .paragraphSeparator: result += "\u{FFFD}"
                default: result.unicodeScalars.append(scalar)
                }
            }
        }
        return result
    }
}

/// Text that is at most `count` characters long: a longer one loses its middle.
func shortened(_ text: String, to count: Int) -> String {
    guard text.count > count, count > 4 else { return text }
    let head = (count - 1) / 2
    return "\(text.prefix(head))\u{2026}\(text.suffix(count - 1 - head))"
}
