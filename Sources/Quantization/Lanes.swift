/// One value of each of the 16 rows of a tile.
typealias Lanes = SIMD16<Float>

extension UnsafeMutablePointer<Float> {
    /// The 16 values from `index` on, which lies on a boundary of 64 bytes.
    @inline(__always)
    func lanes(_ index: Int) -> Lanes { UnsafeRawPointer(self + index).load(as: Lanes.self) }

    /// Stores 16 values from `index` on, which lies on a boundary of 64 bytes.
    @inline(__always)
    func store(_ lanes: Lanes, _ index: Int) {
        UnsafeMutableRawPointer(self + index).storeBytes(of: lanes, as: Lanes.self)
    }
}

/// A grid's levels over lanes.
struct LaneGrid {
    let lowest: Lanes
    let highest: Lanes
    let step: Lanes
    let shift: Lanes
    let inverseStep: Lanes

    init(_ grid: Grid) {
        lowest = Lanes(repeating: Float(grid.lowest))
        highest = Lanes(repeating: Float(grid.highest))
        step = Lanes(repeating: Float(grid.step))
        shift = Lanes(repeating: grid.kind == .symmetric ? 0 : 1)
        inverseStep = Lanes(repeating: 1 / Float(grid.step))
    }

    /// The levels nearest to `x`, ties to the even code; infinities give the outermost levels.
    @inline(__always)
    func nearest(_ x: Lanes) -> Lanes {
        // Adding 1.5 * 2^23 rounds to an integer, ties to even: no processor needs a call for it.
        let rounder = Lanes(repeating: 0x1.8p23)
        let low = x.replacing(with: lowest, where: x .< lowest)
        let inside = low.replacing(with: highest, where: low .> highest)
        return (((inside - shift) * inverseStep + rounder) - rounder) * step + shift
    }

    /// The levels nearest to `x` over `scale`; where the scale is 0, those nearest to 0.
    @inline(__always)
    func nearest(_ x: Lanes, scale: Lanes) -> Lanes {
        nearest(x / scale.replacing(with: .infinity, where: scale .== 0))
    }
}
