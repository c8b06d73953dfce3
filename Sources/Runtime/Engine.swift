import CSystem
import Kernels
import Plans

/// A plan ready to run: its weights, the kernels of one instruction set, and the threads.
///
/// Sessions made by one engine share the threads and run one step at a time. The bits of every result are the same for
/// every instruction set and thread count.
public final class Engine: @unchecked Sendable {
    public let plan: Plan
    public let instructionSet: InstructionSet
    public let threadCount: Int

    let program: Program
    let kernels: UnsafePointer<lathe_kernels>
    private let products: [lathe_product_function]
    let pool: ThreadPool
    let buffers: [BufferPlace]
    /// Bytes of the copies that each thread keeps for itself (`ReplicaPlan`).
    let replicaBytes: Int
    /// Whether each logit is final as soon as a product has written it.
    let headWritesLogitsOnce: Bool
    /// The attentions whose weights others use, at the index of their state.
    let donors: [SoftmaxAttention?]
    /// The kinds of groups that states with sums have, each once.
    let groups: [PositionGroups]
    /// Values of the vector that enters the first layer; nil where the program embeds at several widths, or never.
    let embeddingWidth: Int?
    /// Places of a group of masks that have embeddings; 0 where the plan knows no masks.
    public let maskCount: Int

    /// Which instructions of the body drafts can do without; empty where they cannot.
    let isSkipped: [Bool]
    /// Whether steps can be drafted with a part of the body (`Session.evaluate`).
    public var canSkip: Bool { !isSkipped.isEmpty }

    /// Starts `threads` threads (all that affinity and cgroup allow when nil, and never more than those) and picks the
    /// kernels (the best ones when nil). Throws `instructionSetMissing` or `noThread`.
    public init(plan: Plan, threads: Int? = nil, instructionSet: InstructionSet? = nil) throws(RuntimeError) {
        let isa = instructionSet ?? .best
        guard let kernels = isa.kernels else { throw .instructionSetMissing(isa) }
        let available = Int(lathe_available_processors())
        self.plan = plan
        self.program = plan.program
        self.instructionSet = isa
        self.kernels = kernels
        self.products = Engine.products(of: kernels)
        self.threadCount = max(1, min(threads ?? available, available))
        let replicas = ReplicaPlan(plan.program)
        self.replicaBytes = replicas.byteCount
        self.buffers = plan.program.buffers.indices.map {
            BufferPlace(plan.program.buffers[$0], replicaOffset: replicas.offsets[$0])
        }
        self.headWritesLogitsOnce = Engine.headWritesLogitsOnce(plan.program)
        self.donors = plan.program.donors
        var groups: [PositionGroups] = []
        for case let kind? in plan.program.groups where !groups.contains(kind) { groups.append(kind) }
        self.groups = groups
        var isSkipped = [Bool](repeating: false, count: plan.program.skipped.isEmpty ? 0 : plan.program.body.count)
        for index in plan.program.skipped { isSkipped[index] = true }
        self.isSkipped = isSkipped
        self.maskCount = plan.program.maskCount
        self.embeddingWidth = Engine.embeddingWidth(of: plan.program)
        self.pool = try ThreadPool(threadCount: threadCount)
    }

    deinit {
        pool.stop()
    }

    /// A new, empty sequence of at most `contextLength` positions (the plan's own length when nil), whose keys and values
    /// are kept as `cache` (as the plan says when nil). No more positions than the model was made for, unless it may go
    /// `pastContext`: what it predicts there means little. Throws `outOfMemory`, or `cacheElement` where the model's heads do
    /// not allow it.
    public func makeSession(
        contextLength: Int? = nil, cache: CacheElement? = nil, pastContext: Bool = false
    ) throws(RuntimeError) -> Session {
        let most = pastContext ? Limits.standard.contextLength : program.contextLength
        let capacity = max(1, min(contextLength ?? program.contextLength, most))
        return try Session(engine: self, capacity: capacity, cache: cache)
    }

    /// The kernel that multiplies with matrices of a packing.
    func product(of packing: Packing) -> lathe_product_function { products[Int(packing.number)] }

    /// The product kernels in the order of the packings' numbers.
    private static func products(of kernels: UnsafePointer<lathe_kernels>) -> [lathe_product_function] {
        let table = kernels.pointee.product
        let entries = [
            table.0, table.1, table.2, table.3, table.4, table.5, table.6, table.7, table.8, table.9, table.10,
        ]
        return entries.compactMap { $0 }
    }

    private static func headWritesLogitsOnce(_ program: Program) -> Bool {
        var written = 0
        for instruction in program.head {
            let uses = instruction.bufferUses
            guard (uses.updates ?? uses.writes) == program.logits else { continue }
            // Products side by side fill the row from the left.
            guard case .multiply(_, let weight, _, _, let column, false) = instruction, column == written,
                case .matrix(_, let rows, _) = program.tensors[weight.value].layout
            else { return false }
            written += rows
        }
        return written == program.vocabularySize
    }

    private static func embeddingWidth(of program: Program) -> Int? {
        var width: Int?
        for case .embed(_, _, let output) in program.body {
            let found = program.buffers[output.value].width
            guard width == nil || width == found else { return nil }
            width = found
        }
        return width
    }

    /// A token's embedding, as it enters the first layer; nil where there is no such token.
    public func embedding(of token: UInt32) -> [Float]? {
        for case .embed(let table, let first, _) in program.body {
            guard let table = matrix(table), (first..<first + table.rows).contains(Int(token)) else { continue }
            return [Float](unsafeUninitializedCapacity: table.columns) { values, count in
                if let base = values.baseAddress { table.unpack(row: Int(token) - first, into: base) }
                count = table.columns
            }
        }
        return nil
    }

    /// The values of a vector tensor, or nil for an operand that is left out.
    func vector(_ index: TensorIndex?) -> UnsafePointer<Float>? {
        guard let index, let base = plan.weights.baseAddress else { return nil }
        return (base + program.tensors[index.value].offset).assumingMemoryBound(to: Float.self)
    }

    /// A matrix tensor's packed bytes and its layout.
    struct Matrix {
        let packing: Packing
        let rows: Int
        let columns: Int
        let bytes: UnsafePointer<UInt8>

        /// Writes a row's values.
        func unpack(row: Int, into values: UnsafeMutablePointer<Float>) {
            lathe_unpack_row(packing.kernelPacking, packing.groupColumns, bytes, columns, row, values)
        }

        /// Bytes of 16 rows.
        var tileBytes: Int { lathe_tile_bytes(packing.kernelPacking, packing.groupColumns, columns) }
    }

    /// A matrix tensor, or nil where the tensor is a vector.
    func matrix(_ index: TensorIndex) -> Matrix? {
        let tensor = program.tensors[index.value]
        guard case .matrix(let packing, let rows, let columns) = tensor.layout, let base = plan.weights.baseAddress
        else { return nil }
        return Matrix(
            packing: packing, rows: rows, columns: columns,
            bytes: (base + tensor.offset).assumingMemoryBound(to: UInt8.self))
    }
}

/// A buffer's place in the arena, resolved once.
struct BufferPlace {
    let rows: Buffer.Rows
    let offset: Int
    /// Bytes from one row to the next.
    let stride: Int
    let width: Int
    let isQuantized: Bool
    /// Its place among each thread's copies, where it has one (`ReplicaPlan`).
    let replicaOffset: Int?

    init(_ buffer: Buffer, replicaOffset: Int?) {
        rows = buffer.rows
        offset = buffer.offset
        stride = buffer.rowStride ?? 0
        width = buffer.width
        isQuantized = buffer.element == .quantized
        self.replicaOffset = replicaOffset
    }
}
