import Plans
import Testing

private typealias P = SmallPlan

/// Rows that come in parts: embeddings of several tables, and products side by side.
extension VerifierTests {
    private static let wholeEmbedding = "an embedding has one row for every token"
    private static let following = "a table begins with the token behind the table before it"

    private static func embedRare(first: Int) -> Instruction {
        .embed(table: P.tensor("embedding.rare"), first: first, output: P.residual)
    }

    /// A product of 64 values of the 128 that a row of the projection has.
    private static func project(column: Int, accumulate: Bool = false) -> Instruction {
        .multiply(
            input: P.quantized, weight: P.tensor("0.o"), bias: nil, output: P.projected, column: column,
            accumulate: accumulate)
    }

    static let parts: [Case] = [
        Case("embedding of no more tokens", wholeEmbedding) { $0.body.remove(at: 1) },
        Case("embedding that the body leaves unfinished", wholeEmbedding) {
            ($0.body, $0.states) = ([$0.body[0]], [])
        },
        Case("embedding with an instruction inside", wholeEmbedding) { $0.body.swapAt(1, 2) },
        Case("embedding into another buffer inside", wholeEmbedding) {
            $0.body[1] = .embed(table: P.tensor("embedding"), first: 0, output: P.attendedFloat)
        },
        Case("embedding of more tokens than there are", wholeEmbedding) {
            $0.body[1] = .embed(table: P.tensor("embedding"), first: P.frequent, output: P.residual)
        },
        Case("embedding with a token less", following) { $0.body[1] = embedRare(first: P.frequent + 1) },
        Case("embedding with a token twice", following) { $0.body[1] = embedRare(first: P.frequent - 1) },
        Case("embedding begun again", following) { $0.body[1] = embedRare(first: 0) },
        Case("embedding in another order", following) { $0.body.swapAt(0, 1) },
        Case("embedding behind a whole one", following) { $0.body.insert(embedRare(first: P.frequent), at: 2) },
        Case("embedding from before token 0", following) { $0.body[0] = embedRare(first: .min) },
        Case("embedding of another width", operandWidth) {
            $0.tensors[P.tensor("embedding.rare").value].layout = .matrix(.bfloat16, rows: 8, columns: 32)
        },
        Case("later column of an unwritten row", written) { $0.body[5] = project(column: 64) },
        Case("later column with a gap before it", written) {
            let narrow = Instruction.multiply(
                input: P.normed, weight: P.tensor("embedding.rare"), bias: nil, output: P.projected, column: 65,
                accumulate: false)
            $0.body.replaceSubrange(5...5, with: [project(column: 0), narrow])
        },
        Case("row that is written in part", written) { $0.body[5] = project(column: 0) },
        Case("row that is begun anew and left", written) { $0.body.insert(project(column: 0), at: 6) },
        Case("accumulate behind what is written", written) {
            $0.body.replaceSubrange(5...5, with: [project(column: 0), project(column: 64, accumulate: true)])
        },
        Case("logits of the first tokens alone", "the head writes every logit") { $0.head.removeLast() },
        Case("logits from the right", written) { $0.head.swapAt(2, 3) },
    ]

    @Test func partsOfARowMayComeOneAfterTheOther() throws {
        var program = SmallPlan.program()
        let products = [(0, false), (64, false), (32, true)].map {
            VerifierTests.project(column: $0, accumulate: $1)
        }
        program.body.replaceSubrange(5...5, with: products)
        try program.verify(weightsBytes: VerifierTests.weightsBytes)
    }
}
