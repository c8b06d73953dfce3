import Checkpoints
import Models
import Passes
import Testing

@testable import Compiler

@Suite("Sensitivity of matrices")
struct SensitivityTests {
    private static let tokens = CalibrationTokens(
        tokens: (0..<192).map { (index: UInt32) -> UInt32 in (index * 7919 + index / 48 * 13) % 256 }[...],
        chunkLength: 48)

    /// Of a model whose third layer uses the attention weights of the second.
    private static func divergences(variants: Int) throws -> [Double] {
        var model = try Model(try Checkpoint.open(TestModel.resource("llama3")))
        model.blocks = [0, 1, 0, 1].map { model.blocks[$0] }
        model = try ShareAttention([ShareAttention.Span(2...2)]).apply(to: model).model
        var analysis = SensitivityAnalysis(
            model: model, tokens: tokens, units: QuantizationUnit.all(of: model), rounding: .measured)
        analysis.mostVariants = variants
        return try analysis.run(progress: { _, _ in }).map(\.probeDivergence)
    }

    @Test("few variants at a time give the numbers of all together")
    func batches() throws {
        let together = try Self.divergences(variants: 1000)
        #expect(together.count == 4 * 4 + 6 && together.allSatisfy { $0 > 0 })
        for variants in [1, 5, 8] { #expect(try Self.divergences(variants: variants) == together) }
    }
}
