/// Index of a tensor in `Program.tensors`.
public struct TensorIndex: Sendable, Hashable {
    public var value: Int
    public init(_ value: Int) { self.value = value }
}

/// Index of a buffer in `Program.buffers`.
public struct BufferIndex: Sendable, Hashable {
    public var value: Int
    public init(_ value: Int) { self.value = value }
}

/// Index of a mixer state in `Program.states`.
public struct StateIndex: Sendable, Hashable {
    public var value: Int
    public init(_ value: Int) { self.value = value }
}

/// A constant of the program, stored in the plan's weights section.
public struct Tensor: Sendable, Equatable {
    /// How the elements lie in memory.
    public enum Layout: Sendable, Equatable {
        /// `count` little-endian f32 values: norm weights, biases, frequencies.
        case vector(count: Int)
        /// A packed matrix of `rows` outputs by `columns` inputs.
        case matrix(Packing, rows: Int, columns: Int)
    }

    /// Name for people: `inspect`, errors, calibration.
    public var name: [UInt8]
    public var layout: Layout
    /// Bytes from the start of the weights section, a multiple of 64.
    public var offset: Int

    public init(name: [UInt8], layout: Layout, offset: Int) {
        self.name = name
        self.layout = layout
        self.offset = offset
    }

    /// Bytes that the elements take, or nil where the layout is not possible.
    public var byteCount: Int? {
        switch layout {
        case .vector(let count):
            guard count > 0 else { return nil }
            let (bytes, overflow) = count.multipliedReportingOverflow(by: 4)
            return overflow ? nil : bytes
        case .matrix(let packing, let rows, let columns):
            return packing.matrixBytes(rows: rows, columns: columns)
        }
    }
}

/// Working storage of one step, at a place in the arena that the compiler fixed.
public struct Buffer: Sendable, Equatable {
    /// What a row of the buffer holds.
    public enum Element: UInt32, Sendable, Equatable {
        /// `width` f32 values.
        case float32 = 0
        /// `width` int8 activations with group scales and sums (`lathe_quantized_row_bytes`).
        case quantized = 1
    }

    /// How many rows the buffer has.
    public enum Rows: UInt32, Sendable, Equatable {
        /// `Program.maximumRows`.
        case step = 0
        /// `Program.maximumOutputs`: rows picked for the head.
        case outputs = 1
    }

    /// Name for people and for calibration taps.
    public var name: [UInt8]
    public var element: Element
    public var rows: Rows
    /// Logical values a row.
    public var width: Int
    /// Bytes from the start of the arena, a multiple of 64.
    public var offset: Int

    public init(name: [UInt8], element: Element, rows: Rows, width: Int, offset: Int) {
        self.name = name
        self.element = element
        self.rows = rows
        self.width = width
        self.offset = offset
    }

    /// Bytes from one row to the next: a multiple of 64, or nil where the size overflows.
    public var rowStride: Int? {
        // 2^40 values a row is far past any model and keeps every sum below in range.
        guard width > 0, width < 1 << 40 else { return nil }
        switch element {
        case .float32:
            return (width * 4 + 63) / 64 * 64
        case .quantized:
            let groups = (width + Packing.blockColumns - 1) / Packing.blockColumns
            return (groups * (Packing.blockColumns + 8) + 63) / 64 * 64
        }
    }
}

/// The operands of softmax attention.
///
/// Each row of `projected` (queries | keys | values) is split into heads; query and key heads go through RMSNorm where
/// weights are given, and are rotated; keys and values become the state's uncommitted slots; then each row's queries
/// attend to its ancestors, itself and the committed prefix.
public struct SoftmaxAttention: Sendable, Equatable {
    public var projected: BufferIndex
    public var rotary: BufferIndex
    public var state: StateIndex
    public var queryHeads: Int
    public var queryNorm: TensorIndex?
    public var keyNorm: TensorIndex?
    public var epsilon: Float
    /// Factor of the scores.
    public var scale: Float
    /// Nil where a row sees every position up to its own.
    public var window: AttentionWindow?
    /// `queryHeads` times the state's dimensions wide; it may be quantized where the query heads of one key head fill
    /// whole groups of 32.
    public var output: BufferIndex

    public init(
        projected: BufferIndex, rotary: BufferIndex, state: StateIndex, queryHeads: Int, queryNorm: TensorIndex?,
        keyNorm: TensorIndex?, epsilon: Float, scale: Float, window: AttentionWindow?, output: BufferIndex
    ) {
        self.projected = projected
        self.rotary = rotary
        self.state = state
        self.queryHeads = queryHeads
        self.queryNorm = queryNorm
        self.keyNorm = keyNorm
        self.epsilon = epsilon
        self.scale = scale
        self.window = window
        self.output = output
    }
}

/// The operands of attention with the weights of another one, its donor: the last `attend` before it.
///
/// Each row of `projected` is split into the state's heads of values, which become the state's uncommitted slots; then
/// each query head weighs the values of the positions that the donor's rows see with what the donor made of them.
public struct SharedAttention: Sendable, Equatable {
    public var projected: BufferIndex
    public var state: StateIndex
    /// The donor's state.
    public var donor: StateIndex
    /// For each query head the donor's query head whose weights it uses.
    public var headMap: [Int]
    /// As many query heads times the state's dimensions wide; it may be quantized where the query heads of one head of
    /// values fill whole groups of 32.
    public var output: BufferIndex

    public init(projected: BufferIndex, state: StateIndex, donor: StateIndex, headMap: [Int], output: BufferIndex) {
        self.projected = projected
        self.state = state
        self.donor = donor
        self.headMap = headMap
        self.output = output
    }
}

/// One phase of a step: all threads run it, then all wait for each other.
///
/// Inputs are buffers written earlier in the same step; quantized outputs are quantized as they are written.
public enum Instruction: Sendable, Equatable {
    /// output[r] = row `token(r) - first` of `table`, for the rows whose token the table has: those of tokens `first` and
    /// up. Tables that follow each other, the first from token 0 on, make one embedding of all tokens; one more, behind the last
    /// token, has the masks' rows by their places. A row that is given as a vector is that vector. Output is float32.
    case embed(table: TensorIndex, first: Int, output: BufferIndex)
    /// Cosines, then sines, of every row's position: output width = 2 * count of `frequencies`
    /// (kernels.h, `lathe_rotary_row`).
    case rotaryTable(frequencies: TensorIndex, factor: Float, output: BufferIndex)
    /// RMSNorm over the row; the output may be quantized.
    case normalize(input: BufferIndex, weight: TensorIndex?, epsilon: Float, output: BufferIndex)
    /// Quantizes float32 rows.
    case quantize(input: BufferIndex, output: BufferIndex)
    /// output[r] (+)= weight * input[r] (+ bias), written from value `column` of each output row on, so that matrices
    /// of different packings can fill one row side by side: first column 0, then the others, rising.
    /// Integer packings take quantized input, float packings float32.
    case multiply(
        input: BufferIndex, weight: TensorIndex, bias: TensorIndex?, output: BufferIndex, column: Int,
        accumulate: Bool)
    /// The same without a bias, from value 0 on, for the rows of the step that are masks alone; others keep what they hold. An
    /// output that does not accumulate holds something for masks alone.
    case multiplyMasks(input: BufferIndex, weight: TensorIndex, output: BufferIndex, accumulate: Bool)
    /// Softmax attention with the keys and values of a state, which it first extends by the step's rows, and with its sums
    /// where there are any.
    case attend(SoftmaxAttention)
    /// Attention with the weights that the last `attend` computed, over the values of a state of its own.
    case attendShared(SharedAttention)
    /// Grouped linear attention with the sums of a state, and the keys and values of its last positions.
    case attendGrouped(GroupedAttention)
    /// SwiGLU over rows that hold gate | up; the output, half as wide, may be quantized.
    case gate(input: BufferIndex, output: BufferIndex)
    /// output[i] = input[row asked for i]: from the step's rows to the head's rows.
    case selectRows(input: BufferIndex, output: BufferIndex)
}

/// A model as the runtime sees it: a flat list of instructions over numbered buffers.
public struct Program: Sendable, Equatable {
    public var tensors: [Tensor]
    public var buffers: [Buffer]
    public var states: [MixerState]
    /// Run for every step.
    public var body: [Instruction]
    /// Run for rows whose logits are asked for; begins with `selectRows`.
    public var head: [Instruction]
    /// The buffer that the head leaves the logits in: float32, `vocabularySize` wide, `outputs` rows.
    public var logits: BufferIndex
    /// Rows of one step at the most.
    public var maximumRows: Int
    /// Rows whose logits are computed at once at the most.
    public var maximumOutputs: Int
    /// Positions that the model was made for.
    public var contextLength: Int
    public var vocabularySize: Int
    /// Bytes of the arena that holds all buffers.
    public var arenaBytes: Int
    /// Instructions of the body that drafts can do without, in order (SWIFT, Xia et al. 2024); none where they cannot.
    public var skipped: [Int] = []

    public init(
        tensors: [Tensor], buffers: [Buffer], states: [MixerState], body: [Instruction], head: [Instruction],
        logits: BufferIndex, maximumRows: Int, maximumOutputs: Int, contextLength: Int, vocabularySize: Int,
        arenaBytes: Int
    ) {
        self.tensors = tensors
        self.buffers = buffers
        self.states = states
        self.body = body
        self.head = head
        self.logits = logits
        self.maximumRows = maximumRows
        self.maximumOutputs = maximumOutputs
        self.contextLength = contextLength
        self.vocabularySize = vocabularySize
        self.arenaBytes = arenaBytes
    }

    /// The window through which each state is seen: that of its attention, or of its attention's donor; nil for everything.
    /// Of a state with sums, what is not in them.
    /// The program's operands have been checked.
    public var windows: [AttentionWindow?] {
        var windows = [AttentionWindow?](repeating: nil, count: states.count)
        for instruction in body {
            switch instruction {
            case .attend(let attention): windows[attention.state.value] = attention.window
            case .attendShared(let attention): windows[attention.state.value] = windows[attention.donor.value]
            case .attendGrouped(let attention):
                let length = max(attention.group, attention.taps(in: self))
                windows[attention.state.value] = AttentionWindow(length: length)
            case .embed, .rotaryTable, .normalize, .quantize, .multiply, .multiplyMasks, .gate, .selectRows: break
            }
        }
        return windows
    }

    /// The groups of positions of each state with sums; nil for other states. The program's operands have been checked.
    public var groups: [PositionGroups?] {
        var groups = [PositionGroups?](repeating: nil, count: states.count)
        for instruction in body {
            switch instruction {
            case .attend(let attention): groups[attention.state.value] = attention.window?.groups
            case .attendGrouped(let attention): groups[attention.state.value] = PositionGroups(size: attention.group)
            case .embed, .rotaryTable, .normalize, .quantize, .multiply, .multiplyMasks, .attendShared, .gate,
                .selectRows:
                break
            }
        }
        return groups
    }

    /// The body without what drafts can do without.
    public var draftBody: [Instruction] {
        var rest: [Instruction] = []
        var next = 0
        for (index, instruction) in body.enumerated() {
            if next < skipped.count, skipped[next] == index {
                next += 1
            } else {
                rest.append(instruction)
            }
        }
        return rest
    }

    /// Places of a group of masks that have embeddings. The program's operands have been checked.
    public var maskCount: Int {
        for case .embed(let table, let first, _) in body where first == vocabularySize {
            if case .matrix(_, let rows, _) = tensors[table.value].layout { return rows }
        }
        return 0
    }

    /// Rows that a buffer of this kind has.
    public func rowCount(_ rows: Buffer.Rows) -> Int {
        switch rows {
        case .step: maximumRows
        case .outputs: maximumOutputs
        }
    }
}
