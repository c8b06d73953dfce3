/// A report as one HTML file: no scripts, nothing that is loaded from elsewhere, readable in light and dark. The markup
/// is well-formed XML too.
struct HTMLPage {
    let title: String
    /// A line below the title.
    let subtitle: String

    private var body: [String] = []
    private var sections: [String] = []

    init(title: String, subtitle: String = "") {
        self.title = title
        self.subtitle = subtitle
    }

    /// Begins a section, which the page's contents name.
    mutating func section(_ title: String) {
        sections.append(title)
        body.append("<h2 id=\"section-\(sections.count)\">\(Markup.escape(title))</h2>")
    }

    mutating func paragraph(_ text: String) {
        body.append("<p>\(Markup.escape(text))</p>")
    }

    /// Names with their values, one a line.
    mutating func facts(_ facts: [(name: String, value: String)]) {
        let lines = facts.map { "<dt>\(Markup.escape($0.name))</dt><dd>\(Markup.escape($0.value))</dd>" }
        body.append("<dl>\n\(lines.joined(separator: "\n"))\n</dl>")
    }

    /// A table; its first row is the header. Rows that are shorter than the header end with empty cells.
    mutating func table(_ table: TextTable, caption: String? = nil) {
        let columns = table.rows.map(\.count).max() ?? 0
        func row(_ cells: [String], _ element: String, _ scope: String = "") -> String {
            let row = (0..<columns).map { column in
                let alignment = table.rightAligned.contains(column) ? " class=\"number\"" : ""
                let text = column < cells.count ? Markup.escape(cells[column]) : ""
                return "<\(element)\(scope)\(alignment)>\(text)</\(element)>"
            }
            return "<tr>\(row.joined())</tr>"
        }
        var lines = ["<div class=\"table\"><table>"]
        if let caption { lines.append("<caption>\(Markup.escape(caption))</caption>") }
        lines.append("<thead>\(row(table.rows.first ?? [], "th", " scope=\"col\""))</thead>")
        lines.append("<tbody>")
        lines += table.rows.dropFirst().map { row($0, "td") }
        lines.append("</tbody></table></div>")
        body.append(lines.joined(separator: "\n"))
    }

    /// A figure below its title, with what there is to say about it.
    mutating func figure(_ figure: SVGFigure, caption: String? = nil) {
        let text = caption.map { "\n<p>\(Markup.escape($0))</p>" } ?? ""
        body.append(
            "<figure>\n<figcaption><strong>\(Markup.escape(figure.title))</strong>\(text)</figcaption>\n"
                + "<div class=\"picture\">\(figure.element)</div>\n</figure>")
    }

    /// The file's text; equal pages give equal text.
    func text() -> String {
        let subtitle = subtitle.isEmpty ? "" : "\n<p class=\"subtitle\">\(Markup.escape(subtitle))</p>"
        return """
            <!DOCTYPE html>
            <html lang="en" xmlns="http://www.w3.org/1999/xhtml">
            <head>
            <meta charset="utf-8"/>
            <meta name="viewport" content="width=device-width, initial-scale=1"/>
            <meta name="color-scheme" content="light dark"/>
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
            <title>\(Markup.escape(title))</title>
            <style>
            \(HTMLPage.style)
            </style>
            </head>
            <body>
            <header>
            <h1>\(Markup.escape(title))</h1>\(subtitle)
            </header>
            \(contents)<main>
            \(body.joined(separator: "\n"))
            </main>
            </body>
            </html>

            """
    }

    /// Links to the sections, where there are several.
    private var contents: String {
        guard sections.count > 1 else { return "" }
        let links = sections.enumerated().map { index, title in
            "<li><a href=\"#section-\(index + 1)\">\(Markup.escape(title))</a></li>"
        }
        return "<nav aria-label=\"Contents\"><ul>\n\(links.joined(separator: "\n"))\n</ul></nav>\n"
    }

    private static let style = """
        :root { color-scheme: light dark; --ink: #1f2933; --faint: #52606d; --paper: #ffffff; --shade: #f2f4f7; \
        --line: #cbd2d9; --link: #1d5f9e; }
        @media (prefers-color-scheme: dark) {
        :root { --ink: #e4e7eb; --faint: #9aa5b1; --paper: #16191d; --shade: #20252b; --line: #3e4c59; --link: #7db8ea; }
        }
        body { margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: var(--ink); background: var(--paper);
        font: 15px/1.5 system-ui, Helvetica, Arial, sans-serif; overflow-wrap: anywhere; }
        h1 { margin: 0; font-size: 1.7rem; line-height: 1.25; }
        h2 { margin: 2.2rem 0 0.6rem; padding-bottom: 0.2rem; border-bottom: 1px solid var(--line); font-size: 1.2rem; }
        a { color: var(--link); }
        .subtitle, figcaption p { margin: 0.2rem 0 0; color: var(--faint); }
        nav ul { display: flex; flex-wrap: wrap; gap: 0.2rem 1.2rem; margin: 1rem 0 0; padding: 0; list-style: none; }
        dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1.4rem; }
        dt { color: var(--faint); }
        dd { margin: 0; }
        .table, .picture { overflow-x: auto; }
        table { margin: 0.6rem 0; border-collapse: collapse; font-size: 0.9rem; }
        caption { padding-bottom: 0.3rem; text-align: left; color: var(--faint); }
        th, td { padding: 0.22rem 0.7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
        th { background: var(--shade); font-weight: 600; }
        th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
        figure { margin: 1.4rem 0; }
        svg { display: block; max-width: 100%; height: auto; margin-top: 0.5rem; }
        """
}
