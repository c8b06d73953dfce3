import Plans
import Testing

@testable import Quantization

@Suite struct RoundingTests {
    /// The method without refinements.
    static let plain = SecondOrderRounding.Settings.feedbackAlone()

    @Test(arguments: Grid.all, [7, 32, 75])
    func feedbackGivesTheCodesOfThePaper(_ grid: Grid, _ columns: Int) throws {
        let problem = Problem(rows: 19, columns: columns, tokens: 3 * columns, seed: 6)
        let moments = try problem.moments()
        let factorization = try Factorization(moments, damping: 0.01)
        let search = ScaleSearch(importance: try Diagonal(moments).importance)
        let quantized = try problem.weights.withUnsafeBufferPointer {
            try MatrixRounding.run(
                $0, rows: problem.rows, columns: columns, grid: grid, groupSize: .columns32, threads: nil
            ) { rows in
                search.run(rows)
                FeedbackRounding(factorization: factorization).run(rows)
            }
        }
        let ordered = Reference.ordered(
            problem.referenceMoments, factorization.order, damping: Double(factorization.damping))
        let (upper, _) = Reference.factor(ordered)
        var compared = 0
        for row in 0..<problem.rows {
            let weights = problem.weights[row * columns..<(row + 1) * columns].map(Double.init)
            let scales = (0..<quantized.groups).map { halfValue(quantized.scales[row * quantized.groups + $0]) }
            let (codes, nearestTie) = Reference.round(
                weights, scales: scales, upper: upper, order: factorization.order, grid: grid, groupSize: 32)
            // After a tie decided the other way all that follows differs.
            if nearestTie < 1e-3 { continue }
            compared += 1
            #expect(Array(quantized.codes[row * columns..<(row + 1) * columns]) == codes, "row \(row)")
        }
        #expect(compared >= 10)
    }

    @Test(arguments: Grid.all)
    func secondOrderBeatsNearestOnCorrelatedInputs(_ grid: Grid) throws {
        let problem = Problem(rows: 24, columns: 96, tokens: 300, seed: 7)
        let moments = try problem.moments()
        let nearest = try problem.outputError(problem.quantize(.nearest, grid), moments)
        let searched = try problem.outputError(problem.quantize(.searchedScales(moments), grid), moments)
        let rounding = try SecondOrderRounding(moments, settings: Self.plain)
        let second = try problem.outputError(problem.quantize(.secondOrder(rounding), grid), moments)
        #expect(searched.relative < 0.95 * nearest.relative)
        #expect(second.relative < 0.25 * searched.relative)
    }

    @Test(arguments: Grid.all)
    func refinementsNeverRaiseARowsError(_ grid: Grid) throws {
        let problem = Problem(rows: 20, columns: 70, tokens: 200, seed: 8)
        let moments = try problem.moments()
        var last: [Double]?
        for rounds in -1...2 {
            let rounding = try SecondOrderRounding(moments, settings: .init(rounds: max(rounds, 0)))
            let method = rounds < 0 ? RoundingMethod.searchedScales(moments) : .secondOrder(rounding)
            let errors = problem.referenceErrors(
                try problem.quantize(method, grid), damping: Double(rounding.regularization))
            if let last {
                for row in 0..<problem.rows { #expect(errors[row] <= last[row] * (1 + 1e-5)) }
                if rounds < 2 { #expect(errors.reduce(0, +) < 0.99 * last.reduce(0, +)) }
            }
            last = errors
        }
    }

    @Test(arguments: [
        SecondOrderRounding.Settings(
            dampings: [0.01], stretches: [1], regularization: 0.01, rounds: 1, refitsScales: false),
        .init(dampings: [0.01], stretches: [1], regularization: 0.01, rounds: 1, sweeps: 0),
        .init(dampings: [0.01, 0.002, 0.0004], stretches: [1, 0.9, 1.1], rounds: 0),
    ])
    func eachRefinementLowersTheError(_ settings: SecondOrderRounding.Settings) throws {
        let problem = Problem(rows: 20, columns: 70, tokens: 200, seed: 9)
        let moments = try problem.moments()
        let plain = try SecondOrderRounding(moments, settings: Self.plain)
        let refined = try SecondOrderRounding(moments, settings: settings)
        let before = try problem.outputError(problem.quantize(.secondOrder(plain), .fourBits), moments)
        let after = try problem.outputError(problem.quantize(.secondOrder(refined), .fourBits), moments)
        #expect(after.squared < 0.99 * before.squared)
    }

    /// Everything that can be tried, so that what few tokens show is used to the full.
    private static func thorough(_ regularization: Double?) -> SecondOrderRounding.Settings {
        SecondOrderRounding.Settings(
            dampings: [0.01, 0.002, 0.0004], stretches: [1, 0.9, 1.1], regularization: regularization, rounds: 4,
            sweeps: 2)
    }

    @Test func fewTokensAreTrustedLess() throws {
        // Half as many tokens as inputs for calibration, and others of the same kind to judge with.
        var (trusting, careful) = (0.0, 0.0)
        for seed in UInt64(17)...22 {
            let problem = Problem(rows: 24, columns: 96, tokens: 1048, seed: seed)
            let few = try InputMoments(width: 96)
            let others = try InputMoments(width: 96)
            try problem.inputs.withUnsafeBufferPointer { inputs in
                try few.add(inputs, count: 48, stride: 96)
                let rest = UnsafeBufferPointer(rebasing: inputs[(48 * 96)...])
                try others.add(rest, count: 1000, stride: 96)
            }
            func error(_ regularization: Double?) throws -> Double {
                let rounding = try SecondOrderRounding(few, settings: Self.thorough(regularization))
                return try problem.outputError(problem.quantize(.secondOrder(rounding), .fourBits), others).relative
            }
            trusting += try error(0.0003)
            careful += try error(nil)
        }
        #expect(careful < 0.9 * trusting, "\(careful / trusting)")
    }

    @Test(arguments: [Grid(bits: .two, kind: .centered), .fourBits])
    func resultsDoNotDependOnThreads(_ grid: Grid) throws {
        let problem = Problem(rows: 150, columns: 50, tokens: 120, seed: 10)
        let results = try [1, 2, nil].map { threads in
            let moments = try problem.moments(threads: threads)
            let rounding = try SecondOrderRounding(moments, settings: .init(), threads: threads)
            return try problem.quantize(.secondOrder(rounding), grid, threads: threads)
        }
        #expect(results[0] == results[1] && results[0] == results[2])
    }

    @Test func everyRowIsTheSameWhereverItStands() throws {
        let problem = Problem(rows: 70, columns: 40, tokens: 100, seed: 11)
        let method = RoundingMethod.secondOrder(try SecondOrderRounding(problem.moments()))
        let whole = try problem.quantize(method, .fourBits)
        let last = try problem.weights[69 * 40..<70 * 40].withUnsafeBufferPointer {
            try method.quantize($0, rows: 1, columns: 40, grid: .fourBits, groupSize: .columns32)
        }
        #expect(last.codes == Array(whole.codes[69 * 40..<70 * 40]))
        #expect(last.scales == Array(whole.scales[69 * 2..<70 * 2]))
    }

    @Test(arguments: GroupSize.allCases, [31, 100, 130])
    func lastGroupMayBeShort(_ groupSize: GroupSize, _ columns: Int) throws {
        let problem = Problem(rows: 17, columns: columns, tokens: 2 * columns, seed: 12)
        let moments = try problem.moments()
        let quantized = try problem.quantize(
            .secondOrder(SecondOrderRounding(moments)), .fourBits, groupSize)
        #expect(quantized.groups == (columns + groupSize.rawValue - 1) / groupSize.rawValue)
        #expect(quantized.scales.count == 17 * quantized.groups)
        // Half the error of plain rounding with the same groups, measured by the definition.
        let nearest = try problem.quantize(.nearest, .fourBits, groupSize)
        let errors = problem.referenceErrors(quantized).reduce(0, +)
        #expect(errors < 0.5 * problem.referenceErrors(nearest).reduce(0, +))
        let measured = try problem.outputError(quantized, moments)
        #expect(abs(measured.squared / errors - 1) < 1e-3)
    }

    @Test(arguments: Grid.all)
    func deadInputsAreRoundedLikeAnyOther(_ grid: Grid) throws {
        let dead = [0, 5, 33, 40, 41]
        let problem = Problem(rows: 16, columns: 48, tokens: 100, seed: 13, dead: dead)
        let moments = try problem.moments()
        let rounding = try SecondOrderRounding(moments, settings: Self.plain)
        let quantized = try problem.quantize(.secondOrder(rounding), grid)
        var values = [Float](repeating: 0, count: 48)
        for row in 0..<16 {
            values.withUnsafeMutableBufferPointer { quantized.values(row: row, into: $0) }
            for column in dead {
                // No other level of the group would be nearer to the weight itself.
                let scale = Float(halfValue(quantized.scales[row * 2 + column / 32]))
                let weight = problem.weights[row * 48 + column]
                let nearest = (0..<grid.count).map { abs(weight - scale * Float(grid.level(UInt8($0)))) }.min() ?? 0
                #expect(abs(values[column] - weight) <= nearest + 1e-6 * abs(scale))
            }
        }
        let nothing = try InputMoments(width: 48)
        let blind = try problem.quantize(.secondOrder(SecondOrderRounding(nothing)), grid)
        let uniform = try problem.quantize(.searchedScales(nil), grid)
        #expect(plainError(problem, blind) <= plainError(problem, uniform) * 1.0001)
    }

    private func plainError(_ problem: Problem, _ quantized: QuantizedMatrix) -> Double {
        var values = [Float](repeating: 0, count: problem.columns)
        var sum = 0.0
        for row in 0..<problem.rows {
            values.withUnsafeMutableBufferPointer { quantized.values(row: row, into: $0) }
            for column in 0..<problem.columns {
                let error = Double(problem.weights[row * problem.columns + column]) - Double(values[column])
                sum += error * error
            }
        }
        return sum
    }

    @Test func nearestIsTheLargestMagnitudeOverTheHighestLevel() throws {
        let problem = Problem(rows: 18, columns: 45, tokens: 1, seed: 14)
        for grid in Grid.all {
            let quantized = try problem.quantize(.nearest, grid)
            for row in 0..<18 {
                for (group, columns) in [0..<32, 32..<45].enumerated() {
                    let weights = columns.map { problem.weights[row * 45 + $0] }
                    let scale = halfValue(quantized.scales[row * 2 + group])
                    let exact = Double(weights.map(abs).max() ?? 0) / Double(grid.highest)
                    #expect(abs(scale / exact - 1) <= 0x1p-11)
                    for (weight, column) in zip(weights, columns) {
                        let x = Double(weight) / scale
                        let level = Double(grid.level(quantized.codes[row * 45 + column]))
                        #expect(abs(x - level) <= Double(grid.step) * 0.50001 + 0.07)
                    }
                }
            }
        }
    }

    @Test func rowsOfZerosStayZeros() throws {
        var problem = [Float](repeating: 0, count: 3 * 40)
        problem[45] = 1
        let moments = try Problem(rows: 1, columns: 40, tokens: 90, seed: 15).moments()
        for method in [RoundingMethod.nearest, .searchedScales(nil), .secondOrder(try SecondOrderRounding(moments))] {
            for grid in Grid.all {
                let quantized = try problem.withUnsafeBufferPointer {
                    try method.quantize($0, rows: 3, columns: 40, grid: grid, groupSize: .columns32)
                }
                var values = [Float](repeating: 1, count: 40)
                values.withUnsafeMutableBufferPointer { quantized.values(row: 2, into: $0) }
                #expect(values.allSatisfy { $0 == 0 })
            }
        }
    }

    @Test func hugeAndTinyWeightsStayFinite() throws {
        var random = RandomSource(16)
        let moments = try Problem(rows: 1, columns: 40, tokens: 90, seed: 16).moments()
        for size: Float in [1e-30, 1e-7, 1e6, 1e30] {
            let weights = random.normals(5 * 40, size: size)
            for method in [
                RoundingMethod.nearest, .searchedScales(nil), .secondOrder(try SecondOrderRounding(moments)),
            ] {
                let quantized = try weights.withUnsafeBufferPointer {
                    try method.quantize($0, rows: 5, columns: 40, grid: .fourBits, groupSize: .columns32)
                }
                #expect(quantized.scales.allSatisfy { $0 & 0x7C00 != 0x7C00 })
            }
        }
    }

    @Test func whatDoesNotFitIsRefused() throws {
        let moments = try InputMoments(width: 4)
        let good = [Float](repeating: 1, count: 8)
        let refused: [(weights: [Float], rows: Int, columns: Int, method: RoundingMethod, error: QuantizationError)] = [
            (good, 2, 5, .nearest, .badShape(.weights, expected: 10, found: 8)),
            (good, Int.max, 2, .nearest, .badShape(.weights, expected: Int.max, found: 8)),
            ([], 0, 4, .nearest, .badShape(.weights, expected: 0, found: 0)),
            (good, 4, 2, .searchedScales(moments), .badShape(.moments, expected: 2, found: 4)),
            (good, 4, 2, .secondOrder(try SecondOrderRounding(moments)), .badShape(.moments, expected: 2, found: 4)),
            (good.dropLast() + [.nan], 2, 4, .nearest, .notFinite(.weights)),
            (good.dropLast() + [-.infinity], 2, 4, .searchedScales(nil), .notFinite(.weights)),
        ]
        for (weights, rows, columns, method, error) in refused {
            #expect(throws: error) {
                try weights.withUnsafeBufferPointer { weights in
                    try method.quantize(weights, rows: rows, columns: columns, grid: .fourBits, groupSize: .columns32)
                }
            }
        }
    }
}
