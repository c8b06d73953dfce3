import Checkpoints
import Models
import Passes
import Quantization
import Testing

@testable import Compiler

@Suite("Equalization of channels")
struct EqualizationTests {
    /// Factors that differ from channel to channel, between a quarter and four.
    private static func factors(_ count: Int, _ seed: Int) -> [Float] {
        (0..<count).map { Float(1 + ($0 * 37 + seed * 11) % 15) / 4 }
    }

    private static func factors(for model: Model) -> [EqualizeChannels.Factors] {
        model.blocks.enumerated().map { index, block in
            var factors = EqualizeChannels.Factors()
            for matrix in LayerMatrix.allCases {
                let channels = (matrix.channels(of: block).max() ?? 0) + 1
                factors[matrix] = Self.factors(channels, index + matrix.rawValue)
            }
            return factors
        }
    }

    @Test(
        "scaled channels change no logit beyond rounding", arguments: ["llama", "llama3", "mistral", "qwen2", "qwen3"])
    func sameFunction(_ name: String) throws {
        let (path, tokens) = (TestModel.resource(name), CalibrationTests.tokens)
        let expected = try TestModel(path, precision: .f32).logits(of: tokens)
        let found = try TestModel(path, precision: .f32) { model in
            let equalized = EqualizeChannels(layers: Self.factors(for: model)).apply(to: model)
            #expect(equalized.report.summary == "columns of \(4 * model.blocks.count) matrices made alike")
            model = equalized.model
        }.logits(of: tokens)
        var different = false
        for (row, other) in zip(expected, found) {
            let size = row.map(abs).max() ?? 1
            for (value, other) in zip(row, other) {
                #expect(abs(value - other) < 2e-5 * max(1, size))
                different = different || value != other
            }
        }
        #expect(different)
    }

    @Test("query heads of a key head share the factor of its values")
    func sharedChannels() throws {
        let model = try Model(try Checkpoint.open(TestModel.resource("llama3")))
        guard case .attention(let attention) = model.blocks[0].mixer else { return }
        try #require(attention.queryHeads > attention.keyHeads)
        let channels = LayerMatrix.attentionOutput.channels(of: model.blocks[0])
        #expect(channels.count == attention.queryHeads * attention.dimensions)
        #expect(Set(channels) == Set(0..<attention.keyHeads * attention.dimensions))
        let shared = attention.queryHeads / attention.keyHeads
        for (column, channel) in channels.enumerated() {
            #expect(channel / attention.dimensions == column / attention.dimensions / shared)
            #expect(channel % attention.dimensions == column % attention.dimensions)
        }
    }

    @Test("columns of very different sizes are made alike, equal ones are left alone")
    func choice() throws {
        let model = try Model(try Checkpoint.open(TestModel.resource("llama")))
        let stack = LayerMatrix.down.stack(of: model.blocks[0])
        let plain = DenseMatrix(stack)
        let sizes = (0..<plain.columns).map { Float([1, 8, 0.25, 2][$0 % 4]) }
        let moments = try InputMoments(width: plain.columns)
        var random = UInt64(5)
        let inputs: [Float] = (0..<4 * plain.columns * plain.columns).map { _ in
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(Int64(bitPattern: random) >> 40) / Float(1 << 23)
        }
        try inputs.withUnsafeBufferPointer {
            try moments.add($0, count: 4 * plain.columns, stride: plain.columns)
        }
        func best(_ matrix: DenseMatrix, _ moments: InputMoments) throws -> ChannelEqualization? {
            try ChannelEqualization.best(
                for: matrix, sample: matrix, channels: Array(0..<matrix.columns), moments: moments)
        }
        // The same function with other sizes: inputs are divided by what columns are multiplied by.
        let found = try #require(
            try best(plain.columnsScaled(by: sizes), try moments.divided(by: sizes)))
        #expect(found.errorRatio < 0.5)
        // Factors undo the sizes, up to those of the plain matrix's own columns.
        let ratios = zip(found.factors, sizes).map { $0 * $1 }
        #expect((ratios.max() ?? 0) / (ratios.min() ?? 1) < 8)
    }
}
