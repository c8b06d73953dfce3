import Kernels
import Plans

/// A few tiles of 16 weight rows on their way to codes, in the layout of the float32 packing: for every column, the 16
/// rows' values. Columns are filled up to whole tiles, rows to 16, with zeros.
final class RowTiles {
    private static let tile = ProductKernel.tile
    /// Tiles that are worked on together, so that they share what is read of H or U.
    static let most = 4

    let tiles: Int
    let width: Int
    /// Columns in whole tiles.
    let stride: Int
    let groupSize: Int
    let groups: Int
    let grid: LaneGrid
    let kernel: ProductKernel
    private let weightMemory: FloatMemory
    private let levelMemory: FloatMemory
    private let errorMemory: FloatMemory
    private let scaleMemory: FloatMemory

    init(rows: Int, width: Int, grid: Grid, groupSize: GroupSize, kernel: ProductKernel) {
        tiles = (rows + Self.tile - 1) / Self.tile
        self.width = width
        stride = ProductKernel.padded(width)
        self.groupSize = groupSize.rawValue
        groups = groupSize.count(columns: width)
        self.grid = LaneGrid(grid)
        self.kernel = kernel
        weightMemory = FloatMemory(count: tiles * stride * Self.tile)
        levelMemory = FloatMemory(count: tiles * stride * Self.tile)
        errorMemory = FloatMemory(count: tiles * stride * Self.tile)
        scaleMemory = FloatMemory(count: tiles * groups * Self.tile)
    }

    /// The original weights; those of column k of a tile at k * 16.
    func weights(_ tile: Int) -> UnsafeMutablePointer<Float> { weightMemory.start + tile * stride * Self.tile }

    /// The chosen levels, not codes.
    func levels(_ tile: Int) -> UnsafeMutablePointer<Float> { levelMemory.start + tile * stride * Self.tile }

    /// Weights minus their quantized values.
    func errors(_ tile: Int) -> UnsafeMutablePointer<Float> { errorMemory.start + tile * stride * Self.tile }

    /// The scales; those of group g of a tile at g * 16.
    func scales(_ tile: Int) -> UnsafeMutablePointer<Float> { scaleMemory.start + tile * groups * Self.tile }

    /// The columns of one group.
    func columns(ofGroup group: Int) -> Range<Int> { group * groupSize..<min((group + 1) * groupSize, width) }

    /// Takes in `rows` rows of weights, one behind the other. Returns whether all of them are finite.
    func load(_ source: UnsafePointer<Float>, rows: Int) -> Bool {
        for row in 0..<rows {
            let values = source + row * width
            guard Finiteness.holds(values, width) else { return false }
            let destination = weights(row / Self.tile) + row % Self.tile
            for column in 0..<width { destination[column * Self.tile] = values[column] }
        }
        return true
    }

    func copyOfScales() -> FloatMemory {
        let copy = FloatMemory(count: scaleMemory.count)
        copy.start.update(from: scaleMemory.start, count: copy.count)
        return copy
    }

    /// Makes the scales those of `original` times `factor`, as halves.
    func stretchScales(_ original: FloatMemory, by factor: Float) {
        for place in Swift.stride(from: 0, to: original.count, by: Self.tile) {
            scaleMemory.start.store(kernel.roundedToHalf(original.start.lanes(place) * factor), place)
        }
    }

    /// Every weight to the level nearest to it.
    func roundToNearest() {
        for tile in 0..<tiles {
            for group in 0..<groups {
                let scale = scales(tile).lanes(group * Self.tile)
                for column in columns(ofGroup: group) {
                    let level = grid.nearest(weights(tile).lanes(column * Self.tile), scale: scale)
                    levels(tile).store(level, column * Self.tile)
                }
            }
        }
        updateErrors()
    }

    /// Makes the errors those of the levels and scales.
    func updateErrors() {
        for tile in 0..<tiles {
            for group in 0..<groups {
                let scale = scales(tile).lanes(group * Self.tile)
                for column in columns(ofGroup: group) {
                    let place = column * Self.tile
                    errors(tile).store(weights(tile).lanes(place) - scale * levels(tile).lanes(place), place)
                }
            }
        }
    }

    /// Takes over levels and scales of rows that have been quantized.
    func take(_ quantized: QuantizedMatrix, rows: Range<Int>) {
        for (row, source) in rows.enumerated() {
            let levels = levels(row / Self.tile) + row % Self.tile
            for column in 0..<width {
                levels[column * Self.tile] = Float(quantized.grid.level(quantized.codes[source * width + column]))
            }
            let scales = scales(row / Self.tile) + row % Self.tile
            for group in 0..<groups {
                scales[group * Self.tile] = lathe_f16_to_f32(quantized.scales[source * groups + group])
            }
        }
        updateErrors()
    }

    /// Writes the codes and the scales' bits of the first `rows` rows.
    func store(
        rows: Int, grid: Grid, codes: UnsafeMutablePointer<UInt8>, scales bits: UnsafeMutablePointer<UInt16>
    ) {
        let lowest = Float(grid.lowest)
        let step = Float(grid.step)
        for row in 0..<rows {
            let source = levels(row / Self.tile) + row % Self.tile
            for column in 0..<width {
                codes[row * width + column] = UInt8((source[column * Self.tile] - lowest) / step)
            }
            let scale = scales(row / Self.tile) + row % Self.tile
            for group in 0..<groups { bits[row * groups + group] = lathe_f32_to_f16(scale[group * Self.tile]) }
        }
    }
}
