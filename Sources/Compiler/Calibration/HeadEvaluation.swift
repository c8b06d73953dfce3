import Foundation
import Kernels
import Lowering
import Models
import Plans
import Runtime

/// The final norm and the head of a model as a program of its own, and how far its predictions from some hidden states
/// are from those of others.
final class HeadEvaluation {
    /// Rows whose logits are computed together.
    private static let rowsTogether = 32

    private let session: Session
    private let kernels: UnsafePointer<lathe_kernels>
    private let vocabularySize: Int

    /// The head is float32 but for the pieces of it that are given packed, by their numbers.
    init(_ model: Model, packed: [Int: PackedMatrix] = [:]) throws(CompileError) {
        var headless = model
        headless.blocks = []
        // One table for both: the rows' vectors are given.
        headless.embedding = model.head
        headless.contextLength = HeadEvaluation.rowsTogether
        let pieces = model.vocabularyPieces
        var choices: [String: MatrixChoice] = [:]
        for (piece, matrix) in packed { choices[pieces.name(of: model.head.name, piece: piece)] = .packed(matrix) }
        let program = try InMemoryProgram(
            headless, choices: choices, vocabularyCuts: pieces.cuts, rows: HeadEvaluation.rowsTogether)
        guard let kernels = lathe_kernels_for(lathe_best_isa()) else { throw .calibration(.noRows) }
        self.kernels = kernels
        vocabularySize = model.vocabularySize
        session = try program.session(cache: .float32)
    }

    /// The distributions that rows of hidden states predict.
    func distributions(of rows: [Int], in states: HiddenStates) throws(CompileError) -> [Prediction] {
        var result: [Prediction] = []
        try forEachBatch(of: rows, in: states) { _, logits in
            result.append(Prediction(logits, kernels: self.kernels))
        }
        return result
    }

    /// The mean Kullback-Leibler divergence, in nats, of what `states` predict from `expected`, at the same rows.
    func divergence(of rows: [Int], in states: HiddenStates, from expected: [Prediction]) throws(CompileError) -> Double
    {
        var total = 0.0
        try forEachBatch(of: rows, in: states) { index, logits in
            total += expected[index].compare(with: logits, kernels: self.kernels).divergence
        }
        return total / Double(max(1, rows.count))
    }

    /// The share of rows for which `states` predict the same token first as `expected`.
    func agreement(of rows: [Int], in states: HiddenStates, with expected: [Prediction]) throws(CompileError) -> Double
    {
        var same = 0
        try forEachBatch(of: rows, in: states) { index, logits in
            if Prediction.first(of: logits) == expected[index].first { same += 1 }
        }
        return Double(same) / Double(max(1, rows.count))
    }

    /// Measures what `states` predict against what `reference` predicts with another head, at every `stride`-th position
    /// of the second half of a chunk: position i predicts token i + 1 of `chunk`.
    func measure(
        _ states: HiddenStates, against reference: HiddenStates, of other: HeadEvaluation, chunk: ArraySlice<UInt32>,
        rows: Range<Int>, stride step: Int, into total: inout HeldOutMeasurement
    ) throws(CompileError) {
        let chosen = Array(stride(from: rows.lowerBound + rows.count / 2, to: rows.upperBound - 1, by: step))
        let next = chosen.map { Int(chunk[chunk.startIndex + $0 - rows.lowerBound + 1]) }
        let expected = try other.distributions(of: chosen, in: reference)
        var (divergence, likelihood) = (0.0, 0.0)
        try forEachBatch(of: chosen, in: states) { index, logits in
            let logit = Double(logits[next[index]])
            let (found, logTotal) = expected[index].compare(with: logits, kernels: self.kernels)
            divergence += found
            likelihood += logit - logTotal
        }
        total.add(
            tokens: chosen.count, divergence: divergence, logLikelihood: likelihood,
            referenceLogLikelihood: zip(expected, next).reduce(0) { $0 + $1.0.logProbability(of: $1.1) })
    }

    private func forEachBatch(
        of rows: [Int], in states: HiddenStates, _ body: (Int, UnsafeMutableBufferPointer<Float>) -> Void
    ) throws(CompileError) {
        let batch = HiddenStates(count: HeadEvaluation.rowsTogether, width: states.width)
        let row = UnsafeMutableBufferPointer<Float>.allocate(capacity: (vocabularySize + 15) / 16 * 16)
        defer { row.deallocate() }
        var start = 0
        while start < rows.count {
            let count = min(HeadEvaluation.rowsTogether, rows.count - start)
            for index in 0..<count {
                states.withRow(rows[start + index]) { batch.set(index, to: UnsafeBufferPointer($0)) }
            }
            try session.runThrough(batch, rows: 0..<count)
            let logits = try attempt(CompileError.runtime) { () throws(RuntimeError) in
                try session.logits(of: Array(0..<count))
            }
            for index in 0..<count {
                guard let found = logits.row(index) else { continue }
                _ = row.update(fromContentsOf: found)
                body(start + index, UnsafeMutableBufferPointer(rebasing: row[..<vocabularySize]))
            }
            start += count
        }
    }
}

/// What a model predicts at one position.
struct Prediction {
    /// Natural logarithms of probabilities, up to a constant.
    let logits: [Float]
    private let probabilities: [Float]
    /// The logarithm of the sum of exp(logit).
    private let logTotal: Double

    init(_ logits: UnsafeMutableBufferPointer<Float>, kernels: UnsafePointer<lathe_kernels>) {
        self.logits = Array(logits)
        let (largest, sum) = Prediction.exponentials(of: logits, kernels)
        logTotal = largest + log(sum)
        let factor = Float(1 / sum)
        probabilities = logits.map { $0 * factor }
    }

    /// The most likely token.
    var first: Int? { Prediction.first(of: logits) }

    static func first(of logits: some Collection<Float>) -> Int? {
        var best: (token: Int, logit: Float)?
        for (token, logit) in logits.enumerated() where logit > best?.logit ?? -.infinity { best = (token, logit) }
        return best?.token
    }

    /// The natural logarithm of a token's probability.
    func logProbability(of token: Int) -> Double { Double(logits[token]) - logTotal }

    /// The divergence of other logits from this prediction, in nats, and the logarithm of the sum of their exponentials.
    /// Their memory is used up.
    func compare(
        with others: UnsafeMutableBufferPointer<Float>, kernels: UnsafePointer<lathe_kernels>
    ) -> (divergence: Double, logTotal: Double) {
        var expected = 0.0
        logits.withUnsafeBufferPointer { logits in
            probabilities.withUnsafeBufferPointer { probabilities in
                var start = 0
                while start < others.count {
                    var sum: Float = 0
                    let end = min(start + 1024, others.count)
                    for token in start..<end { sum += probabilities[token] * (logits[token] - others[token]) }
                    expected += Double(sum)
                    start = end
                }
            }
        }
        let (largest, sum) = Prediction.exponentials(of: others, kernels)
        let othersTotal = largest + log(sum)
        return (max(0, expected + othersTotal - logTotal), othersTotal)
    }

    /// Replaces logits by exp(logit - largest); returns the largest and the sum. The row has room up to a multiple of 16.
    private static func exponentials(
        of logits: UnsafeMutableBufferPointer<Float>, _ kernels: UnsafePointer<lathe_kernels>
    ) -> (largest: Double, sum: Double) {
        var (begin, end, largest, sum) = (UInt32(0), UInt32(logits.count), Float(0), Float(0))
        kernels.pointee.softmax_segment(
            logits.baseAddress, (logits.count + 15) / 16 * 16, 1, logits.count, &begin, &end, &largest, &sum)
        return (Double(largest), Double(sum))
    }
}
