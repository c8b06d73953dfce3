import Foundation
import Testing

@testable import Compiler

@Suite("A report as HTML")
struct HTMLPageTests {
    private static let names = [
        "plain", "<script>alert(1)</script>", "</style></title>", "a & b", "\"quoted\" 'twice'", "]]>", "<!--", "&amp;",
        "\u{202E}turned", "\u{0}\n\u{FFFF}\u{FFFE}", "🧵 naïve 層", "javascript:alert(1)",
        String(repeating: "w", count: 2000),
    ]

    /// A page in which `name` stands wherever a name can.
    private func page(_ name: String) -> String {
        var page = HTMLPage(title: name, subtitle: name)
        page.section(name)
        page.paragraph(name)
        page.facts([(name, name), ("bits", "4.25")])
        var table = TextTable(header: [name, "bytes"], rightAligned: [1])
        table.add(name, "12")
        table.add(name)
        page.table(table, caption: name)
        page.section("figures")
        page.figure(
            SVGBars(title: name, axisTitle: name, kinds: [name], bars: [.init(name: name, parts: [1])]).figure(),
            caption: name)
        return page.text()
    }

    /// Elements of HTML that have no end tag.
    private static let void: Set<String> = ["meta", "br", "hr", "img", "input", "link"]

    @Test("tags are balanced, and names make none", arguments: names)
    func wellFormed(_ name: String) throws {
        let text = page(name)
        let elements = try MarkupElements(text)
        let plain = try MarkupElements(page("plain"))
        #expect(elements.all.map(\.name) == plain.all.map(\.name))
        #expect(elements.all.map { Set($0.attributes.keys) } == plain.all.map { Set($0.attributes.keys) })
        // HTML, unlike XML, does not end an element by "/>", and its style sheet is no markup.
        for element in HTMLPageTests.void { #expect(!text.contains("</\(element)>")) }
        #expect(text.components(separatedBy: "</style").count == 2)
    }

    @Test("nothing is run and nothing is loaded", arguments: names)
    func selfContained(_ name: String) throws {
        let text = page(name)
        let elements = try MarkupElements(text)
        for element in elements.all {
            #expect(!["script", "link", "img", "iframe", "object", "use", "image"].contains(element.name))
            for (key, value) in element.attributes {
                #expect(!key.hasPrefix("on") && key != "src")
                if key == "href" { #expect(value.hasPrefix("#section-")) }
            }
        }
        let style = try #require(text.split(separator: "<style>").last?.components(separatedBy: "</style>").first)
        #expect(!style.contains("url(") && !style.contains("@import"))
        #expect(style.contains("prefers-color-scheme: dark"))
    }

    @Test("headers, numbers and missing cells of a table")
    func table() {
        var table = TextTable(header: ["name", "bytes"], rightAligned: [1])
        table.add("a<b", "1,024")
        table.add("short")
        var page = HTMLPage(title: "t")
        page.table(table)
        let text = page.text()
        #expect(text.contains("<th scope=\"col\">name</th><th scope=\"col\" class=\"number\">bytes</th>"))
        #expect(text.contains("<td>a&lt;b</td><td class=\"number\">1,024</td>"))
        #expect(text.contains("<td>short</td><td class=\"number\"></td>"))
        #expect(!text.contains("<nav"))
    }

    @Test("the contents name every section in order, and equal pages are equal")
    func contents() {
        var page = HTMLPage(title: "t")
        for title in ["Size", "Error & cost", "Why"] { page.section(title) }
        let text = page.text()
        for (index, title) in ["Size", "Error &amp; cost", "Why"].enumerated() {
            #expect(text.contains("<li><a href=\"#section-\(index + 1)\">\(title)</a></li>"))
            #expect(text.contains("<h2 id=\"section-\(index + 1)\">\(title)</h2>"))
        }
        #expect(self.page("x") == self.page("x"))
    }
}
