import Testing

@testable import Quantization

@Suite struct InputMomentsTests {
    @Test(arguments: [(1, 3), (16, 40), (37, 300), (80, 513)])
    func momentsAreTheSumsOfProducts(_ width: Int, _ tokens: Int) throws {
        let problem = Problem(rows: 1, columns: width, tokens: tokens, seed: 1)
        let moments = try problem.moments()
        let matrix = moments.symmetric()
        let reference = problem.referenceMoments
        for row in 0..<width {
            for column in 0..<width {
                let size = (reference[row][row] * reference[column][column]).squareRoot()
                let value = Double(matrix[row * moments.stride + column])
                #expect(abs(value - reference[row][column]) <= 1e-6 * size)
                #expect(value == Double(matrix[column * moments.stride + row]))
            }
            #expect(moments.diagonal[row] == matrix[row * moments.stride + row])
        }
        #expect(moments.count == tokens)
    }

    @Test func bitsDoNotDependOnHowTokensAreHandedOver() throws {
        let problem = Problem(rows: 1, columns: 21, tokens: 600, seed: 2)
        let whole = try problem.moments()
        let pieces = try InputMoments(width: 21, threads: 2)
        // Tokens in rows that are longer than they have to be.
        var spread = [Float](repeating: .nan, count: 600 * 25)
        for token in 0..<600 {
            for column in 0..<21 { spread[token * 25 + column] = problem.inputs[token * 21 + column] }
        }
        try spread.withUnsafeBufferPointer { values in
            var token = 0
            for count in [1, 0, 255, 256, 88] {
                let rest = UnsafeBufferPointer(rebasing: values[(token * 25)...])
                try pieces.add(rest, count: count, stride: 25)
                token += count
            }
        }
        #expect(pieces.count == whole.count)
        let size = whole.stride * whole.stride
        #expect(
            Array(UnsafeBufferPointer(start: whole.symmetric(), count: size))
                == Array(UnsafeBufferPointer(start: pieces.symmetric(), count: size)))
    }

    @Test func weightsCountTokensMoreThanOnce() throws {
        let inputs: [Float] = [1, 2, -3, 0.5, 4, 1]
        let moments = try InputMoments(width: 2)
        try inputs.withUnsafeBufferPointer { rows in
            try [2, 0, 0.5].withUnsafeBufferPointer { try moments.add(rows, count: 3, stride: 2, weights: $0) }
        }
        let matrix = moments.symmetric()
        #expect([matrix[0], matrix[1], matrix[moments.stride], matrix[moments.stride + 1]] == [10, 6, 6, 8.5])
    }

    @Test func whatIsReadInBetweenStaysPartOfTheSum() throws {
        let moments = try InputMoments(width: 1)
        for _ in 0..<3 {
            try [2, 1].withUnsafeBufferPointer { try moments.add($0, count: 2, stride: 1) }
            #expect(moments.diagonal == [Float(moments.count) * 2.5])
        }
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity])
    func inputsThatAreNotFiniteAreRefusedAndNothingIsAdded(_ value: Float) throws {
        let moments = try InputMoments(width: 2)
        #expect(throws: QuantizationError.notFinite(.inputs)) {
            try [1, 1, 1, value].withUnsafeBufferPointer { try moments.add($0, count: 2, stride: 2) }
        }
        #expect(throws: QuantizationError.notFinite(.inputs)) {
            try [1, 1].withUnsafeBufferPointer { rows in
                try [value].withUnsafeBufferPointer { try moments.add(rows, count: 1, stride: 2, weights: $0) }
            }
        }
        #expect(moments.count == 0 && moments.diagonal == [0, 0])
    }

    @Test func sizesThatDoNotFitAreRefused() throws {
        let moments = try InputMoments(width: 4)
        let rows = [Float](repeating: 1, count: 7)
        for (count, stride) in [(2, 4), (1, 3), (3, Int.max), (1, -4)] {
            #expect(throws: QuantizationError.self) {
                try rows.withUnsafeBufferPointer { try moments.add($0, count: count, stride: stride) }
            }
        }
        #expect(throws: QuantizationError.self) { try InputMoments(width: 0) }
        #expect(moments.count == 0)
    }

    @Test func dividedInputsHaveTheMomentsOfTheQuotients() throws {
        let inputs: [Float] = [1, 2, -3, 0.5, 4, 1, 2, -2, 8]
        let factors: [Float] = [2, 0.5, 4]
        let (moments, expected) = (try InputMoments(width: 3), try InputMoments(width: 3))
        try inputs.withUnsafeBufferPointer { try moments.add($0, count: 3, stride: 3) }
        let divided = inputs.enumerated().map { $1 / factors[$0 % 3] }
        try divided.withUnsafeBufferPointer { try expected.add($0, count: 3, stride: 3) }
        let found = try moments.divided(by: factors)
        #expect(found.count == 3)
        for place in 0..<3 * found.stride { #expect(found.symmetric()[place] == expected.symmetric()[place]) }
        #expect(throws: QuantizationError.self) { try moments.divided(by: [1, 2]) }
        #expect(throws: QuantizationError.self) { try moments.divided(by: [1, 2, 0]) }
        #expect(throws: QuantizationError.self) { try moments.divided(by: [1, .infinity, 1]) }
    }

    @Test func theFirstInputsHaveTheirPartOfTheMoments() throws {
        let problem = Problem(rows: 1, columns: 37, tokens: 100, seed: 3)
        let moments = try problem.moments()
        for width in [1, 16, 20, 37] {
            let part = try moments.prefix(width)
            #expect(part.width == width && part.count == 100)
            for row in 0..<part.stride {
                for column in 0..<part.stride {
                    let expected =
                        row < width && column < width ? moments.symmetric()[row * moments.stride + column] : 0
                    #expect(part.symmetric()[row * part.stride + column] == expected)
                }
            }
        }
        #expect(throws: QuantizationError.self) { try moments.prefix(38) }
        #expect(throws: QuantizationError.self) { try moments.prefix(0) }
    }

    @Test func theDiagonalCanBeRaised() throws {
        let moments = try InputMoments(width: 2)
        try [1, 2, -3, 0.5].withUnsafeBufferPointer { try moments.add($0, count: 2, stride: 2) }
        let raised = try moments.adding(toDiagonal: 4)
        let (matrix, whole) = (raised.symmetric(), moments.symmetric())
        #expect(raised.count == 2 && raised.diagonal == moments.diagonal.map { $0 + 4 })
        #expect(matrix[1] == whole[1] && matrix[raised.stride] == whole[1] && whole[1] == 0.5)
        for value: Float in [-1, .nan, .infinity] {
            #expect(throws: QuantizationError.self) { try moments.adding(toDiagonal: value) }
        }
    }
}
