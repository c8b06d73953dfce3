import Checkpoints
import Testing

@testable import Models

@Suite("Memory that a weight gives back")
struct WeightReleaseTests {
    @Test("only that of rows which no other weight of the tensor has")
    func rows() throws {
        let model = try Model(try Checkpoint.open(TestModel.resource("quantized/model.gguf")))
        let embedding = model.embedding
        #expect(embedding.storedRows(ofFirst: 20) == 0..<20)
        let piece = embedding.slice(rows: 16..<112)
        #expect(piece.storedRows(ofFirst: 20) == 16..<36)
        #expect(piece.storedRows(ofFirst: 1000) == 16..<112)
        #expect(piece.storedRows(ofFirst: -1) == 16..<16)
        guard case .attention(let attention)? = model.blocks.first?.mixer else { return }
        let query = attention.query.weight
        #expect(!query.keepsRowOrder)
        // Rows of a permuted tensor lie anywhere in it.
        #expect(query.storedRows(ofFirst: query.rows) == 0..<query.rows)
        #expect(query.storedRows(ofFirst: query.rows - 1).isEmpty)
        let part = query.slice(rows: 0..<query.rows / 2)
        #expect(part.storedRows(ofFirst: part.rows).isEmpty)
        part.release()
        piece.release()
        #expect(part.values() == Array(query.values()[..<(part.rows * part.columns)]))
    }
}
