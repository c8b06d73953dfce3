import Models
import Plans

/// A window with features behind it, before anything is fitted.
public struct DistantShape: Sendable, Equatable {
    /// Positions of the window, a multiple of the block.
    public var length: Int
    public var sinks: Int
    public var block: Int
    /// Rows of a head's feature map, half as many as there are features; a multiple of 16.
    public var rows: Int

    public init(length: Int, sinks: Int, block: Int, rows: Int) {
        self.length = length
        self.sinks = sinks
        self.block = block
        self.rows = rows
    }

    /// Where fitting starts: maps of the dimensions that turn slowest with the position, the same for a key head and its query
    /// heads, and a window that counts e³ times as much as a softmax over everything would let it.
    func start(for attention: Attention) -> Models.AttentionWindow {
        let (dimensions, heads) = (attention.dimensions, attention.queryHeads)
        var source = SplitMix(state: 1)
        var keyMap: [Float] = []
        for _ in 0..<attention.keyHeads * rows {
            let row = (0..<dimensions).map { dimension in
                dimension % (dimensions / 2) < dimensions / 4 ? 0 : source.next()
            }
            let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
            keyMap += row.map { $0 / max(length, 1e-6) }
        }
        var queryMap: [Float] = []
        for head in 0..<heads {
            let keyHead = head * attention.keyHeads / heads
            queryMap += keyMap[keyHead * rows * dimensions..<(keyHead + 1) * rows * dimensions]
        }
        let gate: [Float] = [3, 1] + Array(repeating: 0, count: dimensions)
        return AttentionWindow(
            length: length, sinks: sinks,
            distant: DistantFeatures(
                block: block, rows: rows, queryMap: queryMap, keyMap: keyMap,
                gate: Array((0..<heads).map { _ in gate }.joined())))
    }
}

/// Numbers between -1 and 1 that are the same everywhere (Steele et al. 2014).
private struct SplitMix {
    var state: UInt64

    mutating func next() -> Float {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        z ^= z >> 31
        return Float(z >> 40) / Float(1 << 23) - 1
    }
}
