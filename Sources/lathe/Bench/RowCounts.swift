import ArgumentParser

/// Numbers of rows, with commas between: each at least 1, none twice.
struct RowCounts: ExpressibleByArgument {
    let counts: [Int]

    init?(argument: String) {
        var counts: [Int] = []
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            guard let count = Int(part), count >= 1, !counts.contains(count) else { return nil }
            counts.append(count)
        }
        self.counts = counts
    }
}
