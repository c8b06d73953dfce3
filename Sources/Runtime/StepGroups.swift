/// Where the rows of a step stand among the groups of grouped linear attention, computed once and read by all threads.
///
/// A row starts from the sum of all groups before its own. Groups that are committed as a whole are in the state's sums; a
/// group that is completed by a row of the step, its closing row, is added to what that row itself starts from.
struct StepGroups {
    /// A row at the end of a group that others start behind.
    struct Closing {
        let row: Int
        /// What the row itself starts from: the place of another closing row among all; nil for the state.
        let base: Int?
    }

    /// Positions of a group.
    let group: Int
    /// Groups that are committed as a whole.
    let complete: Int
    /// In the order of their rows: what one starts from comes before it.
    let closings: [Closing]
    /// For each row the closing row that it starts from, by its place among all; nil for the state.
    let bases: [Int?]

    init(step: Step, group: Int) {
        self.group = group
        complete = step.committed / group
        var closings: [Closing] = []
        var bases: [Int?] = []
        var places = [Int?](repeating: nil, count: step.rows.count)
        for row in step.rows.indices {
            let number = (step.keyCount(row: row) - 1) / group
            guard number > complete else {
                bases.append(nil)
                continue
            }
            // The last position of the group before is not committed, so a row of the path holds it.
            let closing = step.row(at: number * group - 1, of: row)
            if places[closing] == nil {
                places[closing] = closings.count
                closings.append(Closing(row: closing, base: bases[closing]))
            }
            bases.append(places[closing])
        }
        (self.closings, self.bases) = (closings, bases)
    }
}

extension Step {
    /// The row that holds a position of a row's path which is not committed.
    func row(at position: Int, of row: Int) -> Int {
        let index = position - committed
        return paths[row]?[index] ?? index
    }

    /// The entry of a position of a row's path.
    func entry(at position: Int, of row: Int) -> Int {
        position < committed ? position : committed + self.row(at: position, of: row)
    }
}
