import Plans
import Testing

@testable import Quantization

@Suite struct GridTests {
    @Test func levelsAreThoseOfTheDefinition() {
        #expect((0..<4).map { Grid(bits: .two, kind: .symmetric).level($0) } == [-2, -1, 0, 1])
        #expect((0..<4).map { Grid(bits: .two, kind: .centered).level($0) } == [-3, -1, 1, 3])
        #expect((0..<8).map { Grid(bits: .three, kind: .centered).level($0) } == [-7, -5, -3, -1, 1, 3, 5, 7])
        #expect(Grid(bits: .eight, kind: .symmetric).lowest == -128)
        #expect(Grid(bits: .eight, kind: .symmetric).highest == 127)
    }

    @Test(arguments: Grid.all)
    func nearestLevelIsNearest(_ grid: Grid) {
        let levels = (0..<grid.count).map { grid.level(UInt8($0)) }
        let lanes = LaneGrid(grid)
        var x = Float(grid.lowest) - 2.75
        while x < Float(grid.highest) + 3 {
            let level = lanes.nearest(Lanes(repeating: x))[5]
            let distance = levels.map { abs(Float($0) - x) }.min()
            let tied = levels.filter { abs(Float($0) - x) == distance }
            // Of two levels alike near, the one with the even code.
            let expected = tied.first { (($0 - grid.lowest) / grid.step) % 2 == 0 } ?? tied[0]
            #expect(level == Float(tied.count > 1 ? expected : tied[0]), "\(x)")
            x += 0.125
        }
        #expect(lanes.nearest(Lanes(repeating: .infinity))[0] == Float(grid.highest))
        #expect(lanes.nearest(Lanes(repeating: -.infinity))[0] == Float(grid.lowest))
    }

    @Test func aScaleOfNothingTakesTheLevelNearestToNothing() {
        for grid in Grid.all {
            let level = LaneGrid(grid).nearest(Lanes(repeating: 7), scale: Lanes())
            #expect(abs(level[0]) == (grid.kind == .symmetric ? 0 : 1))
        }
    }

    @Test func matrixIsCheckedAndRead() throws {
        let grid = Grid(bits: .three, kind: .centered)
        let codes = (0..<66).map { UInt8($0 % 8) }
        let matrix = try QuantizedMatrix(
            rows: 2, columns: 33, grid: grid, groupSize: .columns32, codes: codes, scales: [0x3C00, 0x4000, 0xB800, 1])
        var row = [Float](repeating: 0, count: 33)
        row.withUnsafeMutableBufferPointer { matrix.values(row: 1, into: $0) }
        #expect(matrix.groups == 2)
        // Codes 1, 2, 3, 4 with a scale of -0.5.
        #expect(Array(row.prefix(4)) == [2.5, 1.5, 0.5, -0.5])
        #expect(row[32] == 0x1p-24 * Float(grid.level(codes[65])))
        let refused: [(codes: [UInt8], scales: [UInt16])] = [
            (Array(codes.dropLast()), [1, 1, 1, 1]), (codes, [1, 1, 1]), (codes.dropLast() + [8], [1, 1, 1, 1]),
            (codes, [1, 1, 0x7C00, 1]), (codes, [1, 1, 1, 0xFE00]),
        ]
        for (codes, scales) in refused {
            #expect(throws: QuantizationError.self) {
                try QuantizedMatrix(
                    rows: 2, columns: 33, grid: grid, groupSize: .columns32, codes: codes, scales: scales)
            }
        }
    }
}
