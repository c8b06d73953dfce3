import Checkpoints
import Foundation
import Models
import Passes
import Testing

@testable import Compiler

/// What forms of attention are made of, fitted to what softmax returns.
@Suite("Fits of linearized attention")
struct LinearizationFitTests {
    private static let (positions, dimensions) = (96, 16)

    /// Heads with values made up here; targets are random too.
    private static func chunk(_ seed: UInt64, queryHeads: Int = 4, keyHeads: Int = 2) -> AttentionHeads {
        var source = RandomFloats(seed)
        func rows(_ heads: Int, size: Float) -> [[Float]] {
            (0..<heads).map { _ in source.floats(positions * dimensions, size: size) }
        }
        return AttentionHeads(
            queryHeads: queryHeads, keyHeads: keyHeads, dimensions: dimensions, positions: positions, scale: 0.25,
            queries: rows(queryHeads, size: 3), keys: rows(keyHeads, size: 3), values: rows(keyHeads, size: 1),
            targets: rows(queryHeads, size: 1))
    }

    /// Tokens that are anything.
    private static func tokens(_ count: Int, chunkLength: Int) -> CalibrationTokens {
        let all: [UInt32] = (0..<count).map { (index: Int) in UInt32((index * 7919 + index * index * 31) % 40) }
        return CalibrationTokens(tokens: all[...], chunkLength: chunkLength)
    }

    private static func dot(_ x: some Sequence<Float>, _ y: some Sequence<Float>) -> Float {
        zip(x, y).reduce(Float(0)) { $0 + $1.0 * $1.1 }
    }

    private static let shape = DistantShape(length: 24, sinks: 3, block: 8, rows: 16)

    private static func keyHead(_ change: (inout [Float], inout [Float], inout [Float]) -> Void) -> KeyHeadFit {
        var source = RandomFloats(7)
        var keyMap = source.floats(16 * dimensions)
        var queryMap = source.floats(2 * 16 * dimensions)
        var gate = source.floats(2 * (dimensions + 2), size: 0.3)
        change(&keyMap, &queryMap, &gate)
        return KeyHeadFit(
            shape: shape, dimensions: dimensions, weights: [1, 0.5], keyMap: keyMap, queryMap: queryMap, gate: gate)
    }

    @Test("the gradient is what differences of the error are")
    func gradient() {
        let chunk = Self.chunk(1)
        let fit = Self.keyHead { _, _, _ in }
        _ = fit.measure(chunk, keyHead: 1, addsGradient: true)
        let step: Float = 0.01
        func difference(_ change: (Float, inout [Float], inout [Float], inout [Float]) -> Void) -> Double {
            let errors = [step, -step].map { step in
                Self.keyHead { change(step, &$0, &$1, &$2) }.measure(chunk, keyHead: 1, addsGradient: false).fitted
            }
            return (errors[0] - errors[1]) / Double(2 * step)
        }
        for place in [0, 5, 37, 16 * 16 - 1] {
            let expected = difference { step, keys, _, _ in keys[place] += step }
            #expect(abs(Double(fit.keys.gradient[place]) - expected) < 0.02 * abs(expected) + 2e-3, "key \(place)")
        }
        for place in [0, 9, 130, 300, 511] {
            let expected = difference { step, _, queries, _ in queries[place] += step }
            #expect(abs(Double(fit.queries.gradient[place]) - expected) < 0.02 * abs(expected) + 2e-3, "query \(place)")
        }
        for place in [0, 1, 2, 17, 18, 19, 35] {
            let expected = difference { step, _, _, gates in gates[place] += step }
            #expect(abs(Double(fit.gates.gradient[place]) - expected) < 0.02 * abs(expected) + 2e-3, "gate \(place)")
        }
    }

    @Test("heads that are captured give what the layer's softmax returns", arguments: ["llama3", "qwen3"])
    func capture(name: String) throws {
        let model = try Model(try Checkpoint.open(TestModel.resource(name)))
        let tokens = Self.tokens(64, chunkLength: 64)
        let states = HiddenStates(tokens: tokens.tokens, embedding: model.embedding)
        let heads = try HeadCapture(1, of: model, chunkLength: 64).heads(states, rows: 0..<64)
        let size = heads.dimensions
        var largest: Float = 0
        for head in 0..<heads.queryHeads {
            let (keys, values) = (heads.keys[head / heads.group], heads.values[head / heads.group])
            for position in [0, 1, 17, 63] {
                let query = heads.queries[head][position * size..<(position + 1) * size]
                let weights = (0...position).map { other in exp(heads.scale * Self.dot(query, keys[(other * size)...]))
                }
                let total = weights.reduce(0, +)
                for index in 0..<size {
                    var sum: Float = 0
                    for (other, weight) in weights.enumerated() { sum += weight * values[other * size + index] }
                    largest = max(largest, abs(sum / total - heads.targets[head][position * size + index]))
                }
            }
        }
        #expect(largest < 1e-4)
    }

    @Test("alpha and taps that made the targets are found again")
    func grouped() throws {
        let model = try Model(try Checkpoint.open(TestModel.resource("llama3")))
        guard case .attention(let attention) = model.blocks[0].mixer else { return }
        var source = RandomFloats(3)
        let taps: [[Float]] = (0..<4).map { _ in source.floats(5) }
        let fit = GroupedFit(group: 8, taps: 5, attention: attention)
        for seed in 1...2 {
            var chunk = Self.chunk(UInt64(seed))
            Self.attend(&chunk, group: 8, alpha: 0.3, taps: taps)
            fit.add(chunk)
        }
        let found = try #require(fit.result())
        #expect(abs(found.alpha - 0.3) < 1e-3 && found.group == 8)
        let difference = zip(found.taps.joined(), taps.joined()).reduce(Float(0)) { max($0, abs($1.0 - $1.1)) }
        #expect(found.taps.count == 4 && difference < 1e-3)
        // Nothing to find the taps from.
        #expect(GroupedFit(group: 8, taps: 5, attention: attention).result() == nil)
    }

    /// Makes the targets those of grouped linear attention.
    private static func attend(_ chunk: inout AttentionHeads, group: Int, alpha: Float, taps: [[Float]]) {
        func unit(_ rows: [Float], _ position: Int) -> [Float] {
            let row = Array(rows[position * dimensions..<(position + 1) * dimensions])
            let length = dot(row, row).squareRoot()
            return row.map { $0 / length }
        }
        for head in 0..<chunk.queryHeads {
            let (keys, values) = (chunk.keys[head / chunk.group], chunk.values[head / chunk.group])
            for position in 0..<positions {
                var output = [Float](repeating: 0, count: dimensions)
                for other in 0...position {
                    let product = dot(unit(chunk.queries[head], position), unit(keys, other))
                    var weight = other / group == position / group ? max(0, product) * max(0, product) : alpha * product
                    if position - other < taps[head].count {
                        weight += taps[head][taps[head].count - 1 - (position - other)]
                    }
                    for index in 0..<dimensions { output[index] += weight * values[other * dimensions + index] }
                }
                chunk.targets[head].replaceSubrange(position * dimensions..<(position + 1) * dimensions, with: output)
            }
        }
    }

    @Test("features behind a window come closer to softmax over everything than the window alone, every time alike")
    func distant() throws {
        let model = try Model(try Checkpoint.open(TestModel.resource("llama3")))
        guard case .attention(let attention) = model.blocks[1].mixer else { return }
        let tokens = Self.tokens(1024, chunkLength: 256)
        let states = HiddenStates(tokens: tokens.tokens, embedding: model.embedding)
        let capture = try HeadCapture(1, of: model, chunkLength: 256)
        var chunks: [AttentionHeads] = []
        for chunk in 0..<4 { chunks.append(try capture.heads(states, rows: tokens.rows(of: chunk))) }
        let windows = (0..<2).map { _ in
            let fit = DistantFit(Self.shape.start(for: attention), shape: Self.shape, attention: attention)
            fit.run(Array(chunks.prefix(3)))
            let errors = fit.errors([chunks[3]])
            #expect(errors.fitted < 0.9 * errors.window && errors.fitted > 0)
            return fit.window
        }
        #expect(windows[0] != nil && windows[0] == windows[1])
    }

    @Test("a fitted model comes closer to the original than the window alone")
    func repair() throws {
        let model = try Model(try Checkpoint.open(TestModel.resource("shared_attention")))
        let tokens = Self.tokens(2048, chunkLength: 128)
        func divergence(_ changed: Model) throws -> Double {
            let head = try HeadEvaluation(model)
            let rows = Array(stride(from: 1920, to: 2048, by: 1))
            let (before, after) = (try HiddenStates(behind: model, tokens), try HiddenStates(behind: changed, tokens))
            return try head.divergence(of: rows, in: after, from: try head.distributions(of: rows, in: before))
        }
        let layers = [1, 2]
        func all(_ form: LinearForm) -> [Int: LinearForm] {
            Dictionary(uniqueKeysWithValues: layers.map { ($0, form) })
        }
        let window = LinearForm.window(AttentionWindow(length: 8, sinks: 1))
        let plain = try divergence(model.linearized(all(window)))
        let forms: [LinearForm] = [
            window, .hybrid(DistantShape(length: 8, sinks: 1, block: 4, rows: 16)),
            .grouped(group: 8, taps: 4),
        ]
        for form in forms {
            let found = try LinearizationRepair(original: model, tokens: tokens, precision: .f32).run(all(form)) {
                _, _ in
            }
            let fitted = try divergence(found.model)
            #expect(found.outcomes.map(\.layer) == layers)
            for outcome in found.outcomes { #expect(outcome.output.error <= outcome.output.priorError) }
            if case .grouped = form { continue }
            #expect(fitted < plain, "\(form)")
        }
    }

    @Test("a layer that is fitted alone is the same beside other candidates and other layers")
    func alone() throws {
        let model = try Model(try Checkpoint.open(TestModel.resource("llama3")))
        let tokens = Self.tokens(1024, chunkLength: 128)
        let (short, long) = (
            LinearForm.window(.init(length: 8, sinks: 1)), LinearForm.window(.init(length: 32, sinks: 1))
        )
        func outputs(_ forms: [Int: [LinearForm]], alone: Bool = true) throws -> [Int: [[Float]]] {
            let repair = try LinearizationRepair(original: model, tokens: tokens, precision: .f32)
            return try repair.runEach(forms, alone: alone) { _, _ in }.mapValues { found in
                found.map { option in
                    guard case .attention(let attention) = option.block.mixer else { return [] }
                    return attention.output.weight.values()
                }
            }
        }
        let both = try outputs([0: [short, long], 1: [long]])
        try #require(both[0]?.count == 2 && both[1]?.count == 1)
        #expect(try outputs([0: [long]])[0]?.first == both[0]?.last)
        #expect(try outputs([1: [long]])[1] == both[1])
        #expect(both[0]?.first != both[0]?.last)
        // Behind another layer it is what that one is changed to first.
        let behind = try outputs([0: [short, long], 1: [long]], alone: false)
        #expect(behind[0] == both[0])
        #expect(behind[1] != both[1])
        #expect(try outputs([0: [short], 1: [long]], alone: false)[1] == behind[1])
    }

    @Test("of windows of several lengths together no more state than of equal ones is taken")
    func budget() throws {
        let model = try Model(try Checkpoint.open(TestModel.resource("llama3")))
        let all = Self.tokens(2048, chunkLength: 128)
        let trial = try LinearizationTrial(
            model, of: model, method: .plain, tokens: all.prefix(8), heldOut: all.prefix(4))
        let layers = Array(model.blocks.indices)
        func reaches(_ lengths: [Int]) throws -> [Int] {
            let windows = lengths.map { LinearForm.window(.init(length: $0, sinks: 0)) }
            let choice = try FormChoice(windows, for: layers, trial) { _, _ in }
            #expect(choice.forms().keys.sorted() == layers)
            // A layer alone takes no more than its share.
            let last = Set(layers.suffix(1))
            #expect(Array(choice.forms(of: last).keys) == layers.suffix(1))
            #expect(choice.forms(of: last).values.allSatisfy { $0.reach <= lengths[0] })
            return choice.forms().values.map(\.reach)
        }
        // The first length says how much there is.
        #expect(try reaches([8, 16, 32]) == layers.map { _ in 8 })
        #expect(try reaches([32, 8, 16]) == layers.map { _ in 32 })
        #expect(try reaches([16, 8, 24]).reduce(0, +) <= 16 * layers.count)
    }
}
