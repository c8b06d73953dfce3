/// What a sequence remembers for one mixer, kept by a session.
public enum MixerState: Sendable, Equatable {
    /// Keys and values of softmax attention. A head's keys are a packed matrix, its values rows (kernels.h).
    case keysAndValues(heads: Int, dimensions: Int, element: CacheElement)
    /// Values of attention that has its weights from another one, and so needs no keys.
    case values(heads: Int, dimensions: Int, element: CacheElement)
    /// Keys and values of the last positions, and for each head sums over those before.
    case sums(heads: Int, dimensions: Int, element: CacheElement, FeatureSums)

    public var heads: Int {
        switch self {
        case .keysAndValues(let heads, _, _), .values(let heads, _, _), .sums(let heads, _, _, _): heads
        }
    }

    /// Values of a head.
    public var dimensions: Int {
        switch self {
        case .keysAndValues(_, let dimensions, _), .values(_, let dimensions, _), .sums(_, let dimensions, _, _):
            dimensions
        }
    }

    public var element: CacheElement {
        switch self {
        case .keysAndValues(_, _, let element), .values(_, _, let element), .sums(_, _, let element, _): element
        }
    }

    public var holdsKeys: Bool {
        switch self {
        case .keysAndValues, .sums: true
        case .values: false
        }
    }

    /// Nil where there are none.
    public var sums: FeatureSums? {
        switch self {
        case .sums(_, _, _, let sums): sums
        case .keysAndValues, .values: nil
        }
    }

    /// The same state with elements of another type; sums are of floats, and stay as they are where that is int8.
    public func with(element: CacheElement) -> MixerState {
        switch self {
        case .keysAndValues(let heads, let dimensions, _):
            .keysAndValues(heads: heads, dimensions: dimensions, element: element)
        case .values(let heads, let dimensions, _): .values(heads: heads, dimensions: dimensions, element: element)
        case .sums(let heads, let dimensions, let present, let sums):
            .sums(heads: heads, dimensions: dimensions, element: element == .int8 ? present : element, sums)
        }
    }

    /// Bytes of one head for a number of positions, slots rounded up to a multiple of 16; nil where the element does not
    /// allow the dimensions, or a size overflows.
    public func headBytes(slots: Int) -> (keys: Int, values: Int)? {
        guard let both = element.headBytes(slots: slots, dimensions: dimensions) else { return nil }
        return (holdsKeys ? both.keys : 0, both.values)
    }

    /// Bytes that the state takes for a number of positions; nil as for `headBytes`.
    public func byteCount(slots: Int) -> Int? {
        guard heads > 0, let head = headBytes(slots: slots) else { return nil }
        guard let sums = sumBytes else { return nil }
        let both = head.keys.addingReportingOverflow(head.values)
        let all = both.partialValue.addingReportingOverflow(sums)
        let (bytes, overflow) = all.partialValue.multipliedReportingOverflow(by: heads)
        return both.overflow || all.overflow || overflow ? nil : bytes
    }

    /// Bytes of one head's sums, rounded up to 64; nil where that overflows.
    public var sumBytes: Int? {
        guard let sums else { return 0 }
        guard dimensions >= 0, dimensions <= 1 << 24, sums.features >= 0, sums.features <= 1 << 24 else { return nil }
        return (sums.features * (dimensions + (sums.areWeighed ? 1 : 0)) * 4 + 63) / 64 * 64
    }

    /// Bytes that one position takes, without what rounding adds. The state has been verified.
    public var bytesPerPosition: Int {
        let slot = element.slotBytes(dimensions: dimensions)
        return heads * ((holdsKeys ? slot.key : 0) + slot.value)
    }
}

/// Sums over positions, f32 values: for each feature of a head that of its products with the values.
public struct FeatureSums: Sendable, Equatable {
    /// Features of a head of keys.
    public var features: Int
    /// Whether there is the sum of each feature by itself behind those.
    public var areWeighed: Bool

    public init(features: Int, areWeighed: Bool) {
        self.features = features
        self.areWeighed = areWeighed
    }
}
