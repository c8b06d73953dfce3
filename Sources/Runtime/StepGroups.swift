import Plans

/// Where the rows of a step stand among groups of positions whose sums a state keeps, computed once and read by all threads.
///
/// A row starts from the sum of the groups that it no longer sees position by position. Those that no row of the step sees
/// are in the state's sums; each one more is added, for the rows that start behind it, to what came before: its closing.
struct StepGroups {
    /// A group that rows of the step start behind, and others do not.
    struct Closing {
        let group: Int
        /// The row at the end of the group; nil where all of it is committed.
        let row: Int?
        /// What the group is added to: the place of another closing among all; nil for the state.
        let base: Int?
    }

    let groups: PositionGroups
    /// Groups that every row starts behind.
    let complete: Int
    /// In the order of their rows: what one is added to comes before it.
    let closings: [Closing]
    /// For each row the closing that it starts from, by its place among all; nil for the state.
    let bases: [Int?]

    init(step: Step, groups: PositionGroups) {
        self.groups = groups
        complete = groups.summed(before: step.committed)
        var closings: [Closing] = []
        var bases: [Int?] = []
        var places = [Int?](repeating: nil, count: step.rows.count)
        var committedPlaces = [Int?](repeating: nil, count: step.rows.count)
        for (row, value) in step.rows.enumerated() {
            guard let parent = value.parent else {
                bases.append(nil)
                continue
            }
            let end = groups.summed(before: step.keyCount(row: row) - 1)
            guard end > groups.summed(before: step.keyCount(row: parent) - 1) else {
                bases.append(bases[parent])
                continue
            }
            // A row starts behind one group more than its parent at the most.
            let last = end * groups.size - 1
            let closing = last < step.committed ? nil : step.row(at: last, of: row)
            var place = closing.map { places[$0] } ?? committedPlaces[end - 1 - complete]
            if place == nil {
                place = closings.count
                closings.append(Closing(group: end - 1, row: closing, base: bases[parent]))
                if let closing { places[closing] = place } else { committedPlaces[end - 1 - complete] = place }
            }
            bases.append(place)
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
