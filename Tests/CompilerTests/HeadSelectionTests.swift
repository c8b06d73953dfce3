import Checkpoints
import Models
import Testing

@testable import Compiler

@Suite("Heads of the donor chosen by regression")
struct HeadSelectionTests {
    @Test("each value head gets the rows of weights that its layer's output is made of, in the places that had them")
    func choice() throws {
        var value = 1
        /// Deterministic values between -1 and 1.
        func next() -> Float {
            value = (value &* 48271) % 2_147_483_647
            return Float(value) / 0x1p30 - 1
        }
        let model = try Model(try Checkpoint.open(TestModel.resource("llama3")))
        guard case .attention(let own) = model.blocks[0].mixer else {
            Issue.record("the test model has no softmax attention")
            return
        }
        // Two value heads of two query heads each.
        let (dimensions, width, rows) = (3, 12, 200)
        let attention = SharedAttention(
            donor: 0, headMap: [0, 1, 2, 3], keyHeads: 2, dimensions: dimensions, value: own.value, output: own.output)
        let selection = try #require(try HeadSelection(attention, width: width))
        #expect(selection.trials == [[0, 1, 0, 1], [2, 3, 2, 3]])
        // What value head g makes of the donor's head j is pairs[g * 4 + j].
        let pairs = (0..<8).map { _ in (0..<rows * dimensions).map { _ in next() } }
        let mixing = (0..<8 * dimensions * width).map { _ in next() }
        let used = [3, 0, 4 + 1, 4 + 2]
        let (start, end) = (HiddenStates(count: rows, width: width), HiddenStates(count: rows, width: width))
        for row in 0..<rows {
            start.withRow(row) { for index in 0..<width { $0[index] = next() } }
            end.withRow(row) { end in
                for index in 0..<width {
                    end[index] = start[row][index]
                    for pair in used {
                        for place in 0..<dimensions {
                            end[index] +=
                                mixing[(pair * dimensions + place) * width + index]
                                * pairs[pair][row * dimensions + place]
                        }
                    }
                }
            }
        }
        let mixed = selection.trials.map { map in
            let states = HiddenStates(count: rows, width: 4 * dimensions)
            for row in 0..<rows {
                states.withRow(row) { values in
                    for (head, donor) in map.enumerated() {
                        for place in 0..<dimensions {
                            values[head * dimensions + place] = pairs[head / 2 * 4 + donor][row * dimensions + place]
                        }
                    }
                }
            }
            return states
        }
        try selection.add(mixed, from: start, to: end)
        #expect(try selection.headMap(replacing: [0, 1, 2, 3]) == [0, 3, 2, 1])
    }
}
