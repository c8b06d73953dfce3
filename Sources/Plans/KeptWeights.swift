import Kernels

/// What a step keeps of one attention for those that use its weights: for every row, query head and segment of 256
/// positions the segment's exponentials, its largest score and their sum, all f32.
extension Program {
    /// The attentions whose weights others use, at the index of their state; nil for all other states. The program's
    /// operands have been checked.
    public var donors: [SoftmaxAttention?] {
        var donors = [SoftmaxAttention?](repeating: nil, count: states.count)
        var last: SoftmaxAttention?
        for instruction in body {
            switch instruction {
            case .attend(let attention): last = attention.window?.distant == nil ? attention : nil
            case .attendShared: if let last { donors[last.state.value] = last }
            case .embed, .rotaryTable, .normalize, .quantize, .multiply, .multiplyMasks, .attendGrouped, .gate,
                .selectRows:
                break
            }
        }
        return donors
    }

    /// Bytes of what a step keeps at the most in sequences of up to `capacity` positions: one donor's, since the weights
    /// of one are done with when the next one attends. Nil where that overflows.
    public func keptWeightBytes(capacity: Int) -> Int? {
        var heads = 0
        var hasSinks = false
        for case let donor? in donors {
            heads = max(heads, donor.queryHeads)
            hasSinks = hasSinks || donor.window.map { $0.sinks > 0 } == true
        }
        guard capacity >= 0, capacity <= Int.max - Program.segment else { return nil }
        // Sinks are a segment of their own.
        let segments = (capacity + Program.segment - 1) / Program.segment + (hasSinks ? 1 : 0)
        var bytes = Program.keptSegmentBytes
        for factor in [heads, segments, maximumRows] {
            let product = bytes.multipliedReportingOverflow(by: factor)
            guard !product.overflow else { return nil }
            bytes = product.partialValue
        }
        return bytes
    }

    /// Bytes of one segment of one row's query head: exponentials, largest score and sum.
    public static let keptSegmentBytes = (segment + 2) * 4
    private static let segment = Int(LATHE_SEGMENT)
}
