/// Attention whose state and work for a token do not grow with the sequence.
public enum LinearizedForm: Sendable, Hashable {
    /// Softmax over the last positions and the first ones (Xiao et al. 2023): what every other form must beat; with features
    /// linear attention to the positions between (Zhang et al. 2024).
    case window(AttentionWindow)
    /// Grouped linear attention with a convolution (You et al. 2024): a model has to be trained or fitted for it.
    case grouped(GroupedAttention)

    /// First positions that a window keeps at the most (formats/plan.md, "attend").
    public static let mostSinks = 256
    /// Positions of a block, and those of a group and taps of a head together, at the most (formats/plan.md, "attend grouped").
    public static let mostPositions = 240
    /// Rows of a head's feature map at the most (formats/plan.md, "attend hybrid").
    public static let mostMapRows = 256

    /// Checks that this can be the attention of a layer. Throws `LinearizedFormError`.
    public func check(
        for attention: Attention, layer: Int, contextLength: Int
    ) throws(LinearizedFormError) {
        switch self {
        case .window(let window):
            try window.check(contextLength: contextLength)
            try window.distant?.check(of: window, for: attention, layer: layer)
        case .grouped(let grouped): try grouped.check(for: attention, layer: layer)
        }
    }

    /// The form in a few words.
    public var text: String {
        switch self {
        case .window(let window):
            "a window of \(window.length)" + (window.sinks > 0 ? " and \(window.sinks) sinks" : "")
                + (window.distant.map { " before \(2 * $0.rows) features" } ?? "")
        case .grouped(let grouped):
            "groups of \(grouped.group)" + (grouped.taps.first.map { " and \($0.count) taps" } ?? "")
        }
    }
}

extension AttentionWindow {
    fileprivate func check(contextLength: Int) throws(LinearizedFormError) {
        guard length >= 1, sinks >= 0, sinks <= LinearizedForm.mostSinks else {
            throw .window(length: length, sinks: sinks)
        }
        guard length < contextLength, length + sinks < contextLength else {
            throw .reachesEverything(length: length, sinks: sinks, contextLength: contextLength)
        }
    }
}

extension DistantFeatures {
    fileprivate func check(
        of window: AttentionWindow, for attention: Attention, layer: Int
    ) throws(LinearizedFormError) {
        guard block >= 1, block <= LinearizedForm.mostPositions, window.length % block == 0 else {
            throw .block(block, length: window.length)
        }
        let (dimensions, heads) = (attention.dimensions, attention.queryHeads)
        guard rows >= 16, rows % 16 == 0, rows <= LinearizedForm.mostMapRows,
            queryMap.count == heads * rows * dimensions,
            [attention.keyHeads, heads].contains(where: { $0 * rows * dimensions == keyMap.count }),
            gate.count == heads * (dimensions + 2),
            [queryMap, keyMap, gate].allSatisfy({ $0.allSatisfy(\.isFinite) })
        else { throw .features(layer: layer) }
    }
}

extension GroupedAttention {
    fileprivate func check(for attention: Attention, layer: Int) throws(LinearizedFormError) {
        let count = taps.first?.count ?? 0
        guard group >= 1, group <= LinearizedForm.mostPositions, count <= LinearizedForm.mostPositions - group,
            alpha.isFinite
        else { throw .group(group, taps: count) }
        guard taps.isEmpty || taps.count == attention.queryHeads, taps.allSatisfy({ $0.count == count }) else {
            throw .taps(layer: layer, heads: attention.queryHeads)
        }
    }
}
