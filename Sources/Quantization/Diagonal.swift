/// The diagonal of second moments, and shares of its mean.
struct Diagonal {
    let values: [Float]
    private let mean: Double

    /// Throws `notFinite` where a value is not finite, or negative as no sum of squares is.
    init(_ moments: InputMoments) throws(QuantizationError) {
        values = moments.diagonal
        mean = values.reduce(0.0) { $0 + Double($1) } / Double(values.count)
        guard values.allSatisfy({ $0.isFinite && $0 >= 0 }) else { throw .notFinite(.moments) }
    }

    /// A share of the mean; 1 where all inputs are 0, since they have no scale of their own.
    func damping(share: Double) -> Float { mean > 0 ? Float(mean * share) : 1 }

    /// How much each input counts when a scale is searched for: inputs that were never there count a little too.
    var importance: [Float] {
        let damping = damping(share: 0.01)
        return values.map { $0 + damping }
    }
}
