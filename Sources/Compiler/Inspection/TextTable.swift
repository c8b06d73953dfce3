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
