/// The operands of grouped linear attention with a causal convolution (You et al. 2024, section 4.1, in the released form).
///
/// Each row of `projected` (queries | keys | values) is split into heads as for `attend`; query and key heads are brought to
/// length 1. A row weighs the values of its own group of positions by max(0, q·k)², adds `alpha` times its query's product
/// with the sum of k vᵀ over all groups before, and a convolution of the last values.
public struct GroupedAttention: Sendable, Equatable {
    public var projected: BufferIndex
    public var rotary: BufferIndex
    public var state: StateIndex
    public var queryHeads: Int
    public var queryNorm: TensorIndex?
    public var keyNorm: TensorIndex?
    /// Of the norms.
    public var epsilon: Float
    /// Factor of what the groups before give.
    public var alpha: Float
    /// Positions of a group; groups begin at multiples of it.
    public var group: Int
    /// For each query head equally many taps, that of the row's own value last; nil for no convolution.
    public var convolution: TensorIndex?
    /// As that of `attend`.
    public var output: BufferIndex

    public init(
        projected: BufferIndex, rotary: BufferIndex, state: StateIndex, queryHeads: Int, queryNorm: TensorIndex?,
        keyNorm: TensorIndex?, epsilon: Float, alpha: Float, group: Int, convolution: TensorIndex?, output: BufferIndex
    ) {
        self.projected = projected
        self.rotary = rotary
        self.state = state
        self.queryHeads = queryHeads
        self.queryNorm = queryNorm
        self.keyNorm = keyNorm
        self.epsilon = epsilon
        self.alpha = alpha
        self.group = group
        self.convolution = convolution
        self.output = output
    }

    /// What is added to the mean square of a head before it is brought to length 1, so that a head of zeros stays one.
    public static let unitEpsilon: Float = 1e-12

    /// Positions of a group and taps of a head together, at the most: what a row weighs one by one stays within a segment.
    public static let mostPositions = 240

    /// Taps of each query head in a program whose operands have been checked.
    public func taps(in program: Program) -> Int {
        guard let convolution, case .vector(let count) = program.tensors[convolution.value].layout else { return 0 }
        return count / queryHeads
    }
}
