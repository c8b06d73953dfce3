import Checkpoints
import Lowering
import Models
import Passes
import Testing

@Suite("Spans that cannot share attention are refused with the reason")
struct ShareAttentionRefusalTests {
    typealias Span = ShareAttention.Span

    /// Six layers of four query heads.
    private static func model() throws -> Model {
        var model = try Model(try Checkpoint.open(TestModel.resource("llama3")))
        model.blocks = (0..<6).map { model.blocks[$0 % model.blocks.count] }
        return model
    }

    static let cases: [([Span], ShareAttentionError, Int32)] = [
        ([Span(0...0)], .firstLayer(0...0), 64),
        ([Span(3...3), Span(0...2)], .firstLayer(0...2), 64),
        ([Span(5...6)], .noSuchLayer(5...6, layers: 6), 64),
        ([Span(-3 ... -2)], .noSuchLayer(-3 ... -2, layers: 6), 64),
        ([Span(9...Int.max)], .noSuchLayer(9...Int.max, layers: 6), 64),
        ([Span(0...Int.max)], .firstLayer(0...Int.max), 64),
        ([Span(3...5), Span(1...3)], .overlap(1...3, 3...5), 64),
        ([Span(2...2), Span(2...2)], .overlap(2...2, 2...2), 64),
        ([Span(3...3), Span(1...2)], .donorIsReceiver(1...2, 3...3), 64),
        ([Span(1...2, headMaps: [2: [0, 1, 2]])], .headMap(layer: 2, heads: 4), 65),
        ([Span(1...2, headMaps: [1: [0, 1, 2, 4]])], .headMap(layer: 1, heads: 4), 65),
        ([Span(1...2, headMaps: [1: [0, 1, 2, -1]])], .headMap(layer: 1, heads: 4), 65),
        ([Span(1...2, headMaps: [3: [0, 1, 2, 3]])], .strayHeadMap(layer: 3, 1...2), 1),
    ]

    @Test("spans and head maps that make no sense", arguments: cases)
    func spans(spans: [Span], expected: ShareAttentionError, exitCode: Int32) throws {
        let model = try ShareAttentionRefusalTests.model()
        #expect(throws: expected) { try ShareAttention(spans).apply(to: model) }
        #expect(expected.exitCode == exitCode)
        #expect(!expected.cause.isEmpty && !expected.remedy.isEmpty)
        #expect(!(expected.cause + expected.remedy).contains("\n"))
    }

    @Test("spans across a layer without weights, or one that differs from the donor")
    func layers() throws {
        let model = try ShareAttentionRefusalTests.model()
        let shared = try ShareAttention([Span(2...2)]).apply(to: model).model
        for span in [Span(3...3), Span(1...2), Span(2...4)] {
            #expect(throws: ShareAttentionError.withoutWeights(layer: 2)) {
                try ShareAttention([span]).apply(to: shared)
            }
        }
        let changes: [(String, (inout Attention) -> Void)] = [
            ("query heads", { $0.queryHeads = 2 }), ("key heads", { $0.keyHeads = 4 }),
            ("dimensions of a head", { $0.dimensions = 8 }),
            ("window", { $0.form = .softmax(scale: 1, window: AttentionWindow(length: 100)) }),
        ]
        for (property, change) in changes {
            var model = model
            guard case .attention(var attention) = model.blocks[4].mixer else { return }
            change(&attention)
            model.blocks[4].mixer = .attention(attention)
            let expected = ShareAttentionError.differs(layer: 4, donor: 2, property: property)
            #expect(throws: expected) { try ShareAttention([Span(3...4)]).apply(to: model) }
            #expect(expected.exitCode == 69)
            // Spans that do not touch it are fine.
            _ = try ShareAttention([Span(1...2)]).apply(to: model)
        }
    }

    @Test("the report says who uses whose weights, and what is left out")
    func report() throws {
        let model = try ShareAttentionRefusalTests.model()
        let (shared, report) = try ShareAttention([Span(5...5), Span(2...3)]).apply(to: model)
        // Queries of 64 rows and keys of 32, 32 columns each, three times.
        #expect(
            report.summary
                == "3 layers use the weights of another (2-3 of 1, 5 of 4), 9216 weights of queries and keys left out")
        let donors = shared.blocks.map { block -> Int? in
            if case .sharedAttention(let attention) = block.mixer { attention.donor } else { nil }
        }
        #expect(donors == [nil, nil, 1, 1, nil, 4])
    }

    @Test("a receiver is not lowered without its donor")
    func lowering() throws {
        var model = try ShareAttention([Span(2...3)]).apply(to: try ShareAttentionRefusalTests.model()).model
        let receiver = model.blocks[2]
        model.blocks = [receiver]
        #expect(throws: LoweringError.noDonor(layer: 0, donor: 1)) { try ModelLowering(precision: .keep).lower(model) }
        #expect(LoweringError.noDonor(layer: 0, donor: 1).exitCode == 69)
        model = try ShareAttentionRefusalTests.model()
        model.blocks.append(receiver)
        #expect(throws: LoweringError.noDonor(layer: 6, donor: 1)) { try ModelLowering(precision: .keep).lower(model) }
    }
}
