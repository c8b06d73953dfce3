import Plans

/// How weights become codes and scales.
public enum RoundingMethod {
    /// A group's largest magnitude becomes the highest level, every weight the level nearest to it.
    case nearest
    /// Scales are searched for, weighted by the inputs' second moments, or all columns alike without them; every weight
    /// becomes the level nearest to it.
    case searchedScales(InputMoments?)
    /// Scales are searched for, and each column makes up for the errors of those before it.
    case secondOrder(SecondOrderRounding)

    /// Quantizes a matrix of `rows` x `columns` weights, row after row.
    ///
    /// Throws `notFinite` where a weight is infinity or NaN, and `badShape` where the buffer or the inputs' width does not
    /// fit the sizes. The same input gives the same result whatever the number of processors.
    public func quantize(
        _ weights: UnsafeBufferPointer<Float>, rows: Int, columns: Int, grid: Grid, groupSize: GroupSize
    ) throws(QuantizationError) -> QuantizedMatrix {
        try quantize(weights, rows: rows, columns: columns, grid: grid, groupSize: groupSize, threads: nil)
    }

    func quantize(
        _ weights: UnsafeBufferPointer<Float>, rows: Int, columns: Int, grid: Grid, groupSize: GroupSize, threads: Int?
    ) throws(QuantizationError) -> QuantizedMatrix {
        if let width, width != columns { throw .badShape(.moments, expected: columns, found: width) }
        let importance: [Float] =
            switch self {
            case .nearest: []
            case .searchedScales(let moments):
                try moments.map { moments throws(QuantizationError) in try Diagonal(moments).importance }
                    ?? [Float](repeating: 1, count: columns)
            case .secondOrder(let rounding): rounding.importance
            }
        let search = ScaleSearch(importance: importance)
        return try MatrixRounding.run(
            weights, rows: rows, columns: columns, grid: grid, groupSize: groupSize, threads: threads
        ) { rows in
            switch self {
            case .nearest:
                NearestRounding.round(rows)
            case .searchedScales:
                search.run(rows)
                rows.roundToNearest()
            case .secondOrder(let rounding):
                search.run(rows)
                rounding.run(rows)
            }
        }
    }

    private var width: Int? {
        switch self {
        case .nearest: nil
        case .searchedScales(let moments): moments?.width
        case .secondOrder(let rounding): rounding.moments.width
        }
    }
}
