import Plans

/// The rows of one step and what follows from them, computed once and read by all threads.
struct Step {
    /// Positions committed before the step; its row r keeps its keys and values in slot `committed + r`.
    let committed: Int
    let rows: [Row]
    /// Rows whose logits were asked for.
    private(set) var selected: [Int] = []
    /// Whether nothing was skipped.
    var isWhole = true
    /// The first row of the step that is a mask; all behind it are.
    let firstMask: Int
    /// The same among the rows whose logits were asked for.
    private(set) var firstSelectedMask = 0

    /// The rows from the committed prefix down to each row, itself included; nil where that is rows 0...r, as in a
    /// chain, so that the row's slots are contiguous.
    let paths: [[Int]?]

    /// Where the rows stand among groups, of each kind in use.
    private var groups: [StepGroups] = []

    init(committed: Int, rows: [Row], groups kinds: [PositionGroups] = []) {
        self.committed = committed
        self.rows = rows
        firstMask = rows.firstIndex { $0.isMask } ?? rows.count
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
        for kind in kinds { groups.append(StepGroups(step: self, groups: kind)) }
    }

    /// Where the rows stand among groups of one of the kinds in use; nil for another kind.
    func groups(of kind: PositionGroups) -> StepGroups? {
        for each in groups where each.groups == kind { return each }
        return nil
    }

    /// Asks for the logits of rows, those of masks last.
    mutating func select(_ rows: [Int]) {
        selected = rows
        firstSelectedMask = rows.firstIndex { $0 >= firstMask } ?? rows.count
    }

    /// Whether every row follows the one before it.
    var isChain: Bool { paths.allSatisfy { $0 == nil } }

    /// Keys that a row sees: the committed prefix, its ancestors and itself.
    func keyCount(row: Int) -> Int { committed + (paths[row]?.count ?? row + 1) }
}
