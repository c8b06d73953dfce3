import Dispatch
import Models
import Plans
import Runtime

/// Fits feature maps and gate of a window with features to what softmax over everything returns, by Adam on the squared error of
/// the heads' outputs; a head's counts as much as the output projection makes of it.
final class DistantFit {
    /// Chunk after chunk, one a step.
    private static let steps = 96
    private static let rate: Float = 0.01
    private static let warmUp: Float = 8

    private var heads: [KeyHeadFit]
    private let shape: DistantShape

    init(_ start: Models.AttentionWindow, shape: DistantShape, attention: Attention) {
        self.shape = shape
        let (dimensions, group) = (attention.dimensions, attention.queryHeads / attention.keyHeads)
        let weights = DistantFit.weights(of: attention.output.weight, heads: attention.queryHeads)
        heads = []
        guard let distant = start.distant else { return }
        func part(_ values: [Float], _ index: Int, of count: Int) -> [Float] {
            Array(values[values.count / count * index..<values.count / count * (index + 1)])
        }
        for head in 0..<attention.keyHeads {
            heads.append(
                KeyHeadFit(
                    shape: shape, dimensions: dimensions, weights: Array(weights[head * group..<(head + 1) * group]),
                    keyMap: part(distant.keyMap, head, of: attention.keyHeads),
                    queryMap: part(distant.queryMap, head, of: attention.keyHeads),
                    gate: part(distant.gate, head, of: attention.keyHeads)))
        }
    }

    /// Goes through the chunks over and over. Throws what reading one throws.
    func run(_ chunks: [AttentionHeads]) {
        for step in 0..<(chunks.isEmpty ? 0 : DistantFit.steps) {
            let chunk = chunks[step % chunks.count]
            let done = Float(step) / Float(DistantFit.steps)
            let rate = DistantFit.rate * min(1, Float(step + 1) / DistantFit.warmUp) * (1 - done)
            let fits = heads
            // Key heads have nothing in common: who does which does not show.
            DispatchQueue.concurrentPerform(iterations: fits.count) { index in
                _ = fits[index].measure(chunk, keyHead: index, addsGradient: true)
                fits[index].step(rate: rate)
            }
        }
    }

    /// Shares of the energy of the outputs that are missed on some chunks: by the fitted attention, and by its window alone.
    func errors(_ chunks: [AttentionHeads]) -> (fitted: Double, window: Double) {
        var (fitted, window, energy) = (0.0, 0.0, 0.0)
        for chunk in chunks {
            for (index, head) in heads.enumerated() {
                let found = head.measure(chunk, keyHead: index, addsGradient: false)
                (fitted, window, energy) = (fitted + found.fitted, window + found.window, energy + found.energy)
            }
        }
        return energy > 0 ? (fitted / energy, window / energy) : (0, 0)
    }

    /// What was found. Nil where that is not finite.
    var window: Models.AttentionWindow? {
        let features = DistantFeatures(
            block: shape.block, rows: shape.rows, queryMap: heads.flatMap(\.queryMap), keyMap: heads.flatMap(\.keyMap),
            gate: heads.flatMap(\.gate))
        guard [features.queryMap, features.keyMap, features.gate].allSatisfy({ $0.allSatisfy(\.isFinite) }) else {
            return nil
        }
        return AttentionWindow(length: shape.length, sinks: shape.sinks, distant: features)
    }

    /// The mean square of each head's columns of the output projection.
    private static func weights(of output: Weight, heads: Int) -> [Float] {
        var sums = [Double](repeating: 0, count: heads)
        let (values, width) = (output.values(), output.columns / heads)
        for (index, value) in values.enumerated() {
            sums[index % output.columns / width] += Double(value) * Double(value)
        }
        return sums.map { Float($0 / Double(output.rows * width)) }
    }
}
