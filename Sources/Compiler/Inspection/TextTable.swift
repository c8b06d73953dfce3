/// Rows of cells in aligned columns.
struct TextTable {
    /// Columns whose cells end at the same place, as numbers do; the others begin at the same place.
    let rightAligned: Set<Int>
    private(set) var rows: [[String]]

    init(header: [String], rightAligned: Set<Int> = []) {
        self.rightAligned = rightAligned
        rows = [header]
    }

    mutating func add(_ cells: String...) { rows.append(cells) }

    /// The rows as lines, each begun by `indent`, two spaces between columns and none at the end.
    func lines(indent: String = "  ") -> [String] {
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], cell.count)
            }
        }
        return rows.map { row in
            var line = indent
            for (column, cell) in row.enumerated() {
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                line += rightAligned.contains(column) ? padding + cell : cell + padding
                line += "  "
            }
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}

extension Int {
    /// The number with commas between thousands.
    var grouped: String {
        var text = ""
        for (index, digit) in String(magnitude).reversed().enumerated() {
            if index > 0, index % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return (self < 0 ? "-" : "") + String(text.reversed())
    }

    /// A size for people, in decimal units.
    var asBytes: String {
        let units = ["B", "kB", "MB", "GB", "TB"]
        var (value, unit) = (Double(self), 0)
        while value >= 999.95, unit + 1 < units.count { (value, unit) = (value / 1000, unit + 1) }
        return unit == 0 ? "\(self) B" : "\(value.rounded(toDecimals: 1)) \(units[unit])"
    }
}

extension Double {
    /// The number with exactly `decimals` digits behind the point.
    func rounded(toDecimals decimals: Int) -> String {
        var scale = 1
        for _ in 0..<decimals { scale *= 10 }
        let scaled = (magnitude * Double(scale)).rounded()
        guard scaled < 1e18 else { return "\(self)" }
        let (whole, part) = Int(scaled).quotientAndRemainder(dividingBy: scale)
        let digits = String(part)
        let fraction = decimals == 0 ? "" : "." + String(repeating: "0", count: decimals - digits.count) + digits
        return (self < 0 ? "-" : "") + String(whole) + fraction
    }
}
