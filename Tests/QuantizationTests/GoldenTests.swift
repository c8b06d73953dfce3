import Foundation
import Plans
import Testing

@testable import Quantization

/// What numpy says of one small matrix; scripts/make_quantization_goldens.py.
private struct Golden: Decodable {
    let rows: Int
    let columns: Int
    let tokens: Int
    let inputs: [Float]
    let weights: [Float]
    let diagonal: [Double]
    let order: [Int]
    let damping: Double
    let pivots: [Double]
    let upper: [Double]
    let scales: [UInt16]
    let codes: [UInt8]
    let squared: Double
    let reference: Double

    static func load() throws -> Golden {
        let url = try #require(
            Bundle.module.url(forResource: "golden", withExtension: "json", subdirectory: "Resources"))
        return try JSONDecoder().decode(Golden.self, from: Data(contentsOf: url))
    }

    func moments() throws -> InputMoments {
        let moments = try InputMoments(width: columns)
        try inputs.withUnsafeBufferPointer { try moments.add($0, count: tokens, stride: columns) }
        return moments
    }
}

@Suite struct GoldenTests {
    @Test func factorizationIsThatOfNumpy() throws {
        let golden = try Golden.load()
        let moments = try golden.moments()
        for (value, expected) in zip(moments.diagonal, golden.diagonal) {
            #expect(abs(Double(value) / expected - 1) < 1e-6)
        }
        let factorization = try Factorization(moments, damping: 0.01)
        #expect(factorization.order == golden.order)
        #expect(abs(Double(factorization.damping) / golden.damping - 1) < 1e-6)
        for row in 0..<golden.columns {
            #expect(abs(Double(factorization.pivots[row]) / golden.pivots[row] - 1) < 1e-4)
            for column in row + 1..<max(golden.columns, row + 1) {
                let value = Double(factorization.upper[row * factorization.stride + column])
                let unit = (golden.pivots[row] / golden.pivots[column]).squareRoot()
                let expected = golden.upper[row * golden.columns + column]
                #expect(abs(value - expected) <= 1e-4 * (unit + abs(expected)))
            }
        }
    }

    @Test func codesAreThoseOfGPTQ() throws {
        let golden = try Golden.load()
        let moments = try golden.moments()
        let factorization = try Factorization(moments, damping: 0.01)
        let quantized = try golden.weights.withUnsafeBufferPointer {
            try MatrixRounding.run(
                $0, rows: golden.rows, columns: golden.columns, grid: .fourBits, groupSize: .columns32, threads: nil
            ) { rows in
                NearestRounding.round(rows)
                FeedbackRounding(factorization: factorization).run(rows)
            }
        }
        #expect(quantized.scales == golden.scales)
        #expect(quantized.codes == golden.codes)
        let error = try golden.weights.withUnsafeBufferPointer {
            try OutputError(of: quantized, weights: $0, moments: moments)
        }
        #expect(abs(error.squared / golden.squared - 1) < 1e-4)
        #expect(abs(error.reference / golden.reference - 1) < 1e-5)
    }
}
