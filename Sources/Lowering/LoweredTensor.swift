import Models
import Plans

/// Where a tensor of a program comes from.
public enum LoweredTensor: Sendable {
    /// Values that are already here.
    case vector([Float])
    /// Matrices that read the same input, their rows one after the other.
    case matrix(Packing, stack: [Weight])
    /// A matrix that is packed already.
    case packed(PackedMatrix)

    /// Rows and columns of the stacked matrix, or nil for a vector.
    var layout: Tensor.Layout {
        switch self {
        case .vector(let values): .vector(count: values.count)
        case .matrix(let packing, let stack):
            .matrix(packing, rows: stack.reduce(0) { $0 + $1.rows }, columns: stack.first?.columns ?? 0)
        case .packed(let matrix): .matrix(matrix.packing, rows: matrix.rows, columns: matrix.columns)
        }
    }
}

/// A program, and where each of its tensors comes from, in the same order.
public struct LoweredModel: Sendable {
    public let program: Program
    public let tensors: [LoweredTensor]
}

/// What a block adds to the residual stream: with its mixer, or with its feed-forward.
public struct Sublayer: Sendable, Hashable {
    public enum Part: Int, Sendable {
        case mixer
        case feedForward
    }

    public let layer: Int
    public let part: Part

    public init(layer: Int, part: Part) {
        (self.layer, self.part) = (layer, part)
    }
}
