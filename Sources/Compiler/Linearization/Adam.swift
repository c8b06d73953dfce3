/// Parameters that are moved against their gradient (Kingma & Ba 2014).
struct Adam {
    private static let (first, second, epsilon): (Float, Float, Float) = (0.9, 0.99, 1e-12)

    var values: [Float]
    /// Where the gradient of a step is summed.
    var gradient: [Float]
    private var means: [Float]
    private var squares: [Float]
    private var corrections: (first: Float, second: Float) = (1, 1)

    init(_ values: [Float]) {
        self.values = values
        gradient = Array(repeating: 0, count: values.count)
        (means, squares) = (gradient, gradient)
    }

    /// Takes a step, and clears the gradient.
    mutating func step(rate: Float) {
        corrections = (corrections.first * Adam.first, corrections.second * Adam.second)
        for index in values.indices {
            let slope = gradient[index]
            means[index] += (1 - Adam.first) * (slope - means[index])
            squares[index] += (1 - Adam.second) * (slope * slope - squares[index])
            let size = (squares[index] / (1 - corrections.second)).squareRoot() + Adam.epsilon
            values[index] -= rate * means[index] / (1 - corrections.first) / size
            gradient[index] = 0
        }
    }
}
