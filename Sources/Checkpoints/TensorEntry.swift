/// A tensor of a checkpoint that can be read: where it lies and what it holds.
public struct TensorEntry: Sendable, Hashable {
    public let name: String
    public let type: ElementType
    /// Extents, outermost first; empty for a scalar.
    public let shape: [Int]
    public let byteCount: Int
    /// Which of the checkpoint's files holds it.
    let file: Int
    /// Bytes from the start of that file.
    let offset: Int

    /// Rows of the tensor seen as a matrix: the outermost extent.
    public var rowCount: Int { shape.first ?? 1 }
    /// Elements of a row of the tensor seen as a matrix: the product of the other extents.
    public var rowElements: Int { shape.dropFirst().reduce(1, *) }
}

/// A tensor of a checkpoint whose elements are of a type that is not read.
public struct UnreadableTensor: Sendable, Hashable {
    public let name: String
    /// The format's name of the type.
    public let typeName: String
    /// Extents, outermost first.
    public let shape: [Int]
    public let byteCount: Int
}

/// One line of a checkpoint's table of contents.
public enum TensorListing: Sendable, Hashable {
    case readable(TensorEntry)
    case unreadable(UnreadableTensor)

    public var name: String {
        switch self {
        case .readable(let entry): entry.name
        case .unreadable(let tensor): tensor.name
        }
    }

    public var shape: [Int] {
        switch self {
        case .readable(let entry): entry.shape
        case .unreadable(let tensor): tensor.shape
        }
    }

    public var byteCount: Int {
        switch self {
        case .readable(let entry): entry.byteCount
        case .unreadable(let tensor): tensor.byteCount
        }
    }

    /// The format's name of the element type.
    public var typeName: String {
        switch self {
        case .readable(let entry): entry.type.name
        case .unreadable(let tensor): tensor.typeName
        }
    }
}
