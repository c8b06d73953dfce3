import Foundation
import Testing

@testable import Compiler

@Suite("Figures of a report")
struct ReportFigureTests {
    static let oddNumbers: [Double] = [
        0, -0.0, 1, -1, .nan, .infinity, -.infinity, .greatestFiniteMagnitude, -.greatestFiniteMagnitude,
        .leastNonzeroMagnitude, .leastNormalMagnitude, 1e-9, 1e17, 1e17 + 16,
    ]

    /// Numbers that degenerate data is made of: none, one, equal ones, and every pair of odd ones.
    static var degenerate: [[Double]] {
        var lists: [[Double]] = [[], [3], [3, 3, 3], [-7, -7], oddNumbers]
        for first in oddNumbers {
            lists.append([first])
            for second in oddNumbers { lists.append([first, second]) }
        }
        return lists
    }

    private static let names = [
        "plain", "<script>alert(1)</script>", "a & b", "]]>", "\"'\u{202E}\u{0}\n\u{FFFF}", "層",
    ]

    private func plot(_ numbers: [Double], _ scales: (AxisScale, AxisScale), name: String = "name") -> SVGFigure {
        let points = numbers.enumerated().map { SVGPlot.Point(x: $1, y: numbers[numbers.count - 1 - $0], label: name) }
        return SVGPlot(
            title: name, horizontal: .init(title: name, scale: scales.0), vertical: .init(title: name, scale: scales.1),
            series: [.init(name: name, points: points), .init(name: name, style: .line, points: points)]
        ).figure()
    }

    private func bars(_ numbers: [Double], name: String = "name") -> SVGFigure {
        SVGBars(
            title: name, axisTitle: name, kinds: [name, name],
            bars: [.init(name: name, parts: numbers), .init(name: name, parts: numbers.reversed())]
        ).figure()
    }

    private func map(_ numbers: [Double?], _ scale: AxisScale, name: String = "name") -> SVGFigure {
        SVGHeatMap(
            title: name, rowTitle: name, columnTitle: name, rowNames: [name, name],
            columnNames: numbers.map { _ in name }, values: [numbers, numbers.reversed()], scale: scale
        ).figure()
    }

    @Test("degenerate data gives well-formed pictures inside their frame")
    func degenerateData() throws {
        let scales: [AxisScale] = [.linear, .logarithmic]
        for numbers in ReportFigureTests.degenerate {
            var figures = [bars(numbers)]
            for scale in scales {
                figures.append(map(numbers, scale))
                for other in scales { figures.append(plot(numbers, (scale, other))) }
            }
            for figure in figures { try expectSound(figure, "\(numbers)") }
        }
    }

    @Test("names are text, whatever they hold", arguments: names)
    func hostileNames(_ name: String) throws {
        for figure in [
            plot([1, 2], (.linear, .linear), name: name), bars([1, 2], name: name), map([1, nil], .linear, name: name),
        ] {
            try expectSound(figure, name)
            #expect(!figure.document.contains("<script"))
        }
    }

    @Test("equal data gives equal text")
    func deterministic() {
        for _ in 0..<3 {
            #expect(plot([1, 5, 2], (.linear, .linear)).element == plot([1, 5, 2], (.linear, .linear)).element)
            #expect(map([1, 5, nil], .logarithmic).element == map([1, 5, nil], .logarithmic).element)
        }
    }

    @Test("points lie where their values say, and what has no place is told")
    func placesOfPoints() throws {
        let figure = SVGPlot(
            title: "t", horizontal: .init(title: "x"), vertical: .init(title: "y", scale: .logarithmic),
            series: [
                .init(
                    name: "s", style: .line,
                    points: [(0, 1), (5, 10), (10, 100), (3, 0), (.nan, 1), (5, 100)].map { .init(x: $0.0, y: $0.1) })
            ]
        ).figure()
        let elements = try MarkupElements(figure.document)
        let places = elements.all("circle").map { (Int($0["cx"] ?? "") ?? -1, Int($0["cy"] ?? "") ?? -1) }
        try #require(places.count == 4)
        // The decade between 1 and 10 is as high as the one between 10 and 100, and 5 is in the middle of 0...10.
        #expect(places[0].1 - places[1].1 == places[1].1 - places[2].1 && places[0].1 > places[2].1)
        // Places are whole pixels.
        #expect(abs(places[1].0 - places[0].0 - (places[2].0 - places[1].0)) <= 1 && places[0].0 < places[1].0)
        #expect(places[3].0 == places[1].0 && places[3].1 == places[2].1)
        // One line of three points; the last point is alone behind the gap.
        let lines = elements.all("path").filter { $0["stroke"] == FigureStyle.colour(0) }.compactMap { $0["d"] }
        #expect(lines == ["M" + places.prefix(3).map { "\($0.0) \($0.1)" }.joined(separator: " L")])
        #expect(elements.text.contains { $0.hasPrefix("2 values not shown: not positive") })
    }

    @Test("the parts of a bar touch and are as long as their values")
    func stackedBars() throws {
        let figure = SVGBars(
            title: "t", axisTitle: "MB", kinds: ["a", "b", "c"],
            bars: [
                .init(name: "first", parts: [1, 2, 3]), .init(name: "second", parts: [10, -1, 0]),
                .init(name: "third", parts: [0, .nan, 5]),
            ]
        ).figure()
        let elements = try MarkupElements(figure.document)
        // The background and the legend's three squares are no bars.
        let parts = elements.all("rect").filter { $0["height"] == "15" }
            .map { (start: Int($0["x"] ?? "") ?? -1, width: Int($0["width"] ?? "") ?? -1) }
        try #require(parts.count == 5)
        #expect(parts[1].start == parts[0].start + parts[0].width)
        #expect(parts[2].start == parts[1].start + parts[1].width)
        let unit = Double(parts[3].width) / 10
        for (part, value) in zip(parts, [1, 2, 3, 10, 5] as [Double]) {
            #expect(abs(Double(part.width) - value * unit) <= 1)
        }
        #expect(Set([parts[0], parts[3], parts[4]].map(\.start)).count == 1)
        #expect(elements.text.contains("6.000") && elements.text.contains("10.00"))
        #expect(elements.text.contains { $0.hasPrefix("2 values not shown: negative") })
    }

    @Test("a heat map has a cell for each value, brighter where the value is larger")
    func heatMap() throws {
        let figure = SVGHeatMap(
            title: "t", rowTitle: "rows", columnTitle: "columns", rowNames: ["r0", "r1"],
            columnNames: ["c0", "c1", "c2"], values: [[0, 0.5, 1], [nil, 0.25, .infinity]]
        ).figure()
        let elements = try MarkupElements(figure.document)
        #expect(
            elements.titles == ["r0, c0: 0.000", "r0, c1: 0.5000", "r0, c2: 1.000", "r1, c1: 0.2500"])
        #expect(elements.text.contains { $0.hasPrefix("1 value not shown: not finite") })
        let cells = elements.all("rect").filter { $0["width"] == "26" && $0["height"] == "26" }
        #expect(cells.count == 4)
        func brightness(_ colour: String?) -> Double {
            let value = Int(colour?.dropFirst() ?? "", radix: 16) ?? 0
            return 0.299 * Double(value >> 16) + 0.587 * Double(value >> 8 & 255) + 0.114 * Double(value & 255)
        }
        let levels = [0, 3, 1, 2].map { brightness(cells[$0]["fill"]) }
        #expect(levels == levels.sorted() && Set(levels).count == 4)
        let shares = (0...100).map { brightness(SVGHeatMap.colour(at: Double($0) / 100)) }
        #expect(zip(shares, shares.dropFirst()).allSatisfy { $0 < $1 })
        #expect(SVGHeatMap.colour(at: -3) == SVGHeatMap.colour(at: 0))
        #expect(SVGHeatMap.colour(at: 7) == "#fae878")
    }

    /// Expects well-formed XML, whole numbers as coordinates, and everything but text inside the picture.
    private func expectSound(
        _ figure: SVGFigure, _ comment: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        _ = try MarkupElements(figure.element)
        let elements = try MarkupElements(figure.document)
        for element in elements.all {
            for (key, limit) in [
                ("x", figure.width), ("cx", figure.width), ("y", figure.height), ("cy", figure.height),
                ("width", figure.width), ("height", figure.height),
            ] {
                guard let text = element.attributes[key], element.name != "svg", text != "100%" else { continue }
                let number = try #require(Int(text), "\(comment): \(key)=\(text)", sourceLocation: sourceLocation)
                #expect((0...limit).contains(number), "\(comment): \(key)=\(text)", sourceLocation: sourceLocation)
            }
            for number in (element.attributes["d"] ?? "").split(whereSeparator: { "ML ".contains($0) })
            where element.name == "path" && number != "z" {
                #expect(
                    Int(number).map { (0...max(figure.width, figure.height)).contains($0) } == true,
                    "\(comment): d=\(number)", sourceLocation: sourceLocation)
            }
        }
        // A note may say so; a coordinate or a tick must not.
        #expect(
            !elements.text.contains { ["nan", "inf", "-inf"].contains($0) }, "\(comment)",
            sourceLocation: sourceLocation
        )
    }
}
