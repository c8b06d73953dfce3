/// The rows of one step and what follows from them, computed once and read by all threads.
struct Step {
    /// Positions committed before the step; its row r keeps its keys and values in slot `committed + r`.
    let committed: Int
    let rows: [Row]
    /// Rows whose logits were asked for.
    var selected: [Int] = []

    /// The rows from the committed prefix down to each row, itself included; nil where that is rows 0...r, as in a
    /// chain, so that the row's slots are contiguous.
    let paths: [[Int]?]

    /// For each size of groups in use where the rows stand among them.
    private(set) var groups: [Int: StepGroups] = [:]

    init(committed: Int, rows: [Row], groupSizes: [Int] = []) {
        self.committed = committed
        self.rows = rows
        var paths: [[Int]?] = []
        for (index, row) in rows.enumerated() {
            if let parent = row.parent {
                if let path = paths[parent] {
                    paths.append(path + [index])
                } else {
                    paths.append(parent == index - 1 ? nil : Array(0...parent) + [index])
                }
            } else {
                paths.append(index == 0 ? nil : [index])
            }
        }
        self.paths = paths
        for size in groupSizes { groups[size] = StepGroups(step: self, group: size) }
    }

    /// Whether every row follows the one before it.
    var isChain: Bool { paths.allSatisfy { $0 == nil } }

    /// Keys that a row sees: the committed prefix, its ancestors and itself.
    func keyCount(row: Int) -> Int { committed + (paths[row]?.count ?? row + 1) }
}
