import Testing

@testable import Quantization

@Suite struct FactorizationTests {
    @Test(arguments: [1, 5, 16, 33, 120])
    func factorsAreThoseOfDoublePrecision(_ width: Int) throws {
        let problem = Problem(rows: 1, columns: width, tokens: 2 * width + 3, seed: 3)
        let moments = try problem.moments()
        let factorization = try Factorization(moments, damping: 0.01)
        #expect(factorization.raises == 0)
        let damping = Double(factorization.damping)
        let reference = problem.referenceMoments
        let mean = (0..<width).reduce(0.0) { $0 + reference[$1][$1] } / Double(width)
        #expect(abs(damping / mean - 0.01) < 1e-7)
        let ordered = Reference.ordered(reference, factorization.order, damping: damping)
        let (upper, pivots) = Reference.factor(ordered)
        let stride = factorization.stride
        for row in 0..<width {
            #expect(abs(Double(factorization.pivots[row]) / pivots[row] - 1) < 1e-4)
            for column in 0..<width {
                let value = Double(factorization.upper[row * stride + column])
                let (low, high) = (min(row, column), max(row, column))
                // U in units of what it says about its column.
                let unit = (pivots[low] / pivots[high]).squareRoot() + abs(upper[low][high])
                #expect(abs(value - upper[low][high]) <= 1e-4 * unit, "\(row) \(column)")
                // (U + I) D (U + I)^T is H again.
                var sum = 0.0
                for place in high..<width {
                    let left = place == row ? 1 : Double(factorization.upper[row * stride + place])
                    let right = place == column ? 1 : Double(factorization.upper[column * stride + place])
                    sum += left * Double(factorization.pivots[place]) * right
                }
                let size = (ordered[row][row] * ordered[column][column]).squareRoot()
                #expect(abs(sum - ordered[row][column]) <= 2e-6 * size)
            }
        }
    }

    @Test func inputsWithLargeMomentsComeFirstAndEqualOnesInTheirOrder() throws {
        let moments = try InputMoments(width: 5)
        try [1, 3, 1, 0, 3].withUnsafeBufferPointer { try moments.add($0, count: 1, stride: 5) }
        #expect(try Factorization(moments, damping: 0.1).order == [1, 4, 0, 2, 3])
    }

    @Test func dampingIsRaisedUntilThereIsAFactorization() throws {
        let problem = Problem(rows: 1, columns: 40, tokens: 7, seed: 4)
        let factorization = try Factorization(problem.moments(), damping: 0)
        #expect(factorization.raises > 0 && factorization.damping > 0)
        #expect(factorization.pivots.allSatisfy { $0 > 0 && $0.isFinite })
    }

    @Test func inputsThatWereNeverThereAreLikeThoseOfI() throws {
        let factorization = try Factorization(InputMoments(width: 20), damping: 0.01)
        #expect(factorization.pivots.allSatisfy { $0 == 1 })
        #expect((0..<20 * factorization.stride).allSatisfy { factorization.upper[$0] == 0 })
    }

    @Test func momentsPastTheRangeOfFloatsAreRefused() throws {
        let moments = try InputMoments(width: 2)
        try [1e20, 1].withUnsafeBufferPointer { try moments.add($0, count: 1, stride: 2) }
        #expect(throws: QuantizationError.notFinite(.moments)) { try Factorization(moments, damping: 0.01) }
        #expect(throws: QuantizationError.notFinite(.moments)) { try SecondOrderRounding(moments) }
    }

    @Test func bitsDoNotDependOnThreads() throws {
        let problem = Problem(rows: 1, columns: 210, tokens: 230, seed: 5)
        let moments = try problem.moments()
        let one = try Factorization(moments, damping: 0.01, threads: 1)
        let count = one.stride * one.stride
        for threads in [2, nil] {
            let other = try Factorization(moments, damping: 0.01, threads: threads)
            #expect(one.pivots == other.pivots && one.order == other.order)
            #expect((0..<count).allSatisfy { one.upper[$0] == other.upper[$0] })
        }
    }
}
