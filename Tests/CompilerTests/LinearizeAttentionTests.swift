import Checkpoints
import Models
import Passes
import Testing

@testable import Compiler

@Suite("Layers whose attention has a window")
struct LinearizeAttentionTests {
    private typealias Window = Models.AttentionWindow

    /// Five layers with a context of 700.
    private static func model() throws -> Model {
        var model = try Model(try Checkpoint.open(TestModel.resource("llama3")))
        model.contextLength = 700
        model.blocks = (0..<5).map { model.blocks[$0 % model.blocks.count] }
        return model
    }

    private static func windows(of model: Model) -> [Window?] {
        model.blocks.map { block in
            switch block.mixer {
            case .attention(let attention): attention.window
            case .sharedAttention: nil
            }
        }
    }

    @Test("the layers named get the window, the others keep what they have")
    func layers() throws {
        let window = Window(length: 20, sinks: 4)
        let pass = LinearizeAttention([3, 0, 1], as: .window(window))
        let (changed, report) = try pass.apply(to: Self.model())
        #expect(Self.windows(of: changed) == [window, window, nil, window, nil])
        #expect(report.name == "linearize")
        #expect(report.summary == "layers 0-1,3 with a window of 20 and 4 sinks")
        #expect(
            try LinearizeAttention([2], as: .window(Window(length: 9))).apply(to: Self.model()).report.summary
                == "layer 2 with a window of 9")
        #expect(try LinearizeAttention([:]).apply(to: Self.model()).report.summary == "no layer")
    }

    @Test("layers and windows that make no sense, and layers that have no weights or a shorter window")
    func refusals() throws {
        let shared = try ShareAttention([ShareAttention.Span(2...2)]).apply(to: Self.model()).model
        let narrow = try LinearizeAttention([1], as: .window(Window(length: 16))).apply(to: shared).model
        let cases: [([Int], Window, LinearizeAttentionError, Int32)] = [
            ([0, 5], Window(length: 20), .noSuchLayer(5, layers: 5), 64),
            ([-1], Window(length: 20), .noSuchLayer(-1, layers: 5), 64),
            ([2], Window(length: 20), .withoutWeights(layer: 2), 69),
            ([0], Window(length: 0), .form(.window(length: 0, sinks: 0)), 64),
            ([0], Window(length: 4, sinks: 257), .form(.window(length: 4, sinks: 257)), 64),
            ([0], Window(length: 4, sinks: -1), .form(.window(length: 4, sinks: -1)), 64),
            (
                [0], Window(length: 600, sinks: 100),
                .form(.reachesEverything(length: 600, sinks: 100, contextLength: 700)),
                64
            ),
            (
                [0], Window(length: Int.max, sinks: 1),
                .form(.reachesEverything(length: .max, sinks: 1, contextLength: 700)), 64
            ),
            ([1], Window(length: 16), .hasWindow(layer: 1, length: 16), 69),
        ]
        for (layers, window, expected, exitCode) in cases {
            #expect(throws: expected) { try LinearizeAttention(layers, as: .window(window)).apply(to: narrow) }
            #expect(expected.exitCode == exitCode)
            #expect(!expected.cause.isEmpty && !expected.remedy.isEmpty)
            #expect(!(expected.cause + expected.remedy).contains("\n"))
        }
        _ = try LinearizeAttention([1], as: .window(Window(length: 15, sinks: 4))).apply(to: narrow)
    }

    @Test("groups and taps that make no sense, donors, and layers without a softmax")
    func groupedRefusals() throws {
        let shared = try ShareAttention([ShareAttention.Span(2...2)]).apply(to: Self.model()).model
        let taps = Array(repeating: [Float](repeating: 1, count: 3), count: 4)
        let cases: [(Int, Models.GroupedAttention, LinearizeAttentionError, Int32)] = [
            (0, .init(group: 0, alpha: 1), .form(.group(0, taps: 0)), 64),
            (0, .init(group: 238, alpha: 1, taps: taps), .form(.group(238, taps: 3)), 64),
            (0, .init(group: .max, alpha: 1), .form(.group(.max, taps: 0)), 64),
            (0, .init(group: 8, alpha: .infinity), .form(.group(8, taps: 0)), 64),
            (0, .init(group: 8, alpha: 1, taps: Array(taps.dropLast())), .form(.taps(layer: 0, heads: 4)), 65),
            (0, .init(group: 8, alpha: 1, taps: taps.dropLast() + [[1]]), .form(.taps(layer: 0, heads: 4)), 65),
            (1, .init(group: 8, alpha: 1), .isDonor(layer: 1, receiver: 2), 69),
            (2, .init(group: 8, alpha: 1), .withoutWeights(layer: 2), 69),
        ]
        for (layer, grouped, expected, exitCode) in cases {
            #expect(throws: expected) { try LinearizeAttention([layer], as: .grouped(grouped)).apply(to: shared) }
            #expect(expected.exitCode == exitCode)
            #expect(!expected.cause.isEmpty && !expected.remedy.isEmpty)
        }
        let (changed, report) = try LinearizeAttention([0], as: .grouped(.init(group: 8, alpha: 1, taps: taps))).apply(
            to: shared)
        #expect(report.summary == "layer 0 with groups of 8 and 3 taps")
        #expect(throws: LinearizeAttentionError.withoutWeights(layer: 0)) {
            try LinearizeAttention([0], as: .window(Window(length: 8))).apply(to: changed)
        }
        #expect(throws: ShareAttentionError.withoutWeights(layer: 0)) {
            try ShareAttention([ShareAttention.Span(1...1)]).apply(to: changed)
        }
    }

    @Test("features behind a window that do not fit it or the layer, and donors")
    func hybridRefusals() throws {
        let shared = try ShareAttention([ShareAttention.Span(2...2)]).apply(to: Self.model()).model
        // Four query heads and two key heads of 16 dimensions.
        let good = DistantFeatures(
            block: 4, rows: 16, queryMap: Array(repeating: 0.5, count: 4 * 16 * 16),
            keyMap: Array(repeating: 0.5, count: 2 * 16 * 16), gate: Array(repeating: 0, count: 4 * 18))
        func with(_ change: (inout DistantFeatures) -> Void) -> DistantFeatures {
            var copy = good
            change(&copy)
            return copy
        }
        let cases: [(Int, DistantFeatures, LinearizeAttentionError, Int32)] = [
            (0, with { $0.block = 0 }, .form(.block(0, length: 8)), 64),
            (0, with { $0.block = 3 }, .form(.block(3, length: 8)), 64),
            (0, with { $0.block = 480 }, .form(.block(480, length: 8)), 64),
            (0, with { $0.rows = 8 }, .form(.features(layer: 0)), 65),
            (0, with { $0.rows = 0 }, .form(.features(layer: 0)), 65),
            (0, with { $0.rows = 272 }, .form(.features(layer: 0)), 65),
            (0, with { $0.queryMap.removeLast() }, .form(.features(layer: 0)), 65),
            (0, with { $0.keyMap.removeLast(16) }, .form(.features(layer: 0)), 65),
            (0, with { $0.gate.append(0) }, .form(.features(layer: 0)), 65),
            (0, with { $0.gate[5] = .nan }, .form(.features(layer: 0)), 65),
            (1, good, .isDonor(layer: 1, receiver: 2), 69), (2, good, .withoutWeights(layer: 2), 69),
        ]
        for (layer, distant, expected, exitCode) in cases {
            #expect(throws: expected) {
                try LinearizeAttention([layer], as: .window(Window(length: 8, distant: distant))).apply(to: shared)
            }
            #expect(expected.exitCode == exitCode)
            #expect(!expected.cause.isEmpty && !expected.remedy.isEmpty)
        }
        let (changed, report) = try LinearizeAttention([0], as: .window(Window(length: 8, sinks: 1, distant: good)))
            .apply(to: shared)
        #expect(report.summary == "layer 0 with a window of 8 and 1 sinks before 32 features")
        #expect(throws: ShareAttentionError.withoutWeights(layer: 0)) {
            try ShareAttention([ShareAttention.Span(1...1)]).apply(to: changed)
        }
    }

    @Test("the search takes the layer first that costs nothing, and measures what the model does")
    func search() throws {
        var model = try Self.model()
        // What the second layer mixes goes nowhere.
        guard case .attention(var attention) = model.blocks[1].mixer else { return }
        attention.output.weight.transforms.append(
            .columnsScaled(by: Array(repeating: 0, count: attention.output.weight.columns)))
        model.blocks[1].mixer = .attention(attention)
        let tokens = CalibrationTokens(
            tokens: (0..<256).map { (index: Int) in UInt32((index * 7919 + index * index * 31) % 256) }[...],
            chunkLength: 64)
        let window = Window(length: 6, sinks: 1)
        let trial = try LinearizationTrial(model, of: model, method: .plain, tokens: tokens, heldOut: tokens)
        let search = try FormChoice.search(.window(window), trial, progress: { _, _ in })
        try search.grow(to: 3, progress: { _, _ in })
        #expect(search.alone.keys.sorted() == [0, 1, 2, 3, 4])
        try #require(search.steps.count == 3)
        #expect(search.steps[0].layer == 1 && search.steps[0].divergence < 1e-9)
        #expect(search.steps[1].divergence > 1e-6 && search.steps[2].divergence > search.steps[1].divergence / 2)
        let changed = try LinearizeAttention(search.layers(first: 3), as: .window(window)).apply(to: model).model
        let (before, after) = (try HiddenStates(behind: model, tokens), try HiddenStates(behind: changed, tokens))
        let head = try HeadEvaluation(model)
        let rows = Array(stride(from: 8, to: 256, by: 1))
        let divergence = try head.divergence(
            of: rows, in: after, from: try head.distributions(of: rows, in: before))
        #expect(abs(divergence / search.steps[2].divergence - 1) < 1e-3)
    }
}
