import Lowering
import Passes

/// What a compile does to a model.
public struct CompileOptions: Sendable, Equatable {
    /// What becomes of matrices that `quantization` does not choose for.
    public var precision: WeightPrecision
    /// Quantization by measurement; nil for none.
    public var quantization: QuantizationOptions?
    /// A file of changes that come first (formats/adapter.md); nil for none.
    public var adapter: String?
    /// Layers that use the attention weights of the layer before them; nil for none.
    public var sharing: SharingOptions?
    /// Layers whose state is not to grow with the sequence; nil for none.
    public var linearization: LinearizationOptions?
    /// Masks for the model as the passes leave it; nil for none.
    public var masks: MaskOptions?
    /// Whether to find out what drafts can do without.
    public var findsSkips: Bool
    /// A file of plain text to calibrate with; nil for the built-in text.
    public var calibration: String?

    public init(
        precision: WeightPrecision = .keep, quantization: QuantizationOptions? = nil,
        adapter: String? = nil, sharing: SharingOptions? = nil, linearization: LinearizationOptions? = nil,
        masks: MaskOptions? = nil, findsSkips: Bool = false, calibration: String? = nil
    ) {
        self.precision = precision
        self.quantization = quantization
        self.adapter = adapter
        self.sharing = sharing
        self.linearization = linearization
        self.masks = masks
        self.findsSkips = findsSkips
        self.calibration = calibration
    }
}

/// Where masks come from, which stand in the places of tokens that are not known yet.
public enum MaskOptions: Sendable, Equatable {
    /// A file for the model as it is (formats/space.md).
    case file(String)
    /// A token of the vocabulary that the model was trained with for them, the same in every place (SPACE, Yi et al. 2024).
    case token(Int)
}

/// Quantization to a size, each matrix as precise as its measured effect on the predictions deserves.
public struct QuantizationOptions: Sendable, Equatable {
    /// How large the plan may be; the whole file counts.
    public enum Target: Sendable, Equatable {
        /// Bits of the file over the number of weights in the model's matrices.
        case bitsPerWeight(Double)
        case bytes(Int)
    }

    public var target: Target
    public var rounding: RoundingChoice

    public init(target: Target, rounding: RoundingChoice = .measured) {
        self.target = target
        self.rounding = rounding
    }

    /// What is asked for, in a few words.
    var summary: String {
        let size =
            switch target {
            case .bitsPerWeight(let bits): "\(bits) bits a weight"
            case .bytes(let bytes): "\(bytes) bytes"
            }
        return "to \(size) at most, rounding \(rounding.rawValue)"
    }
}

/// How weights become codes.
public enum RoundingChoice: String, Sendable, CaseIterable {
    /// Against the second moments of the matrix's inputs on calibration text.
    case measured
    /// To the nearest level, for comparison.
    case nearest
}

/// Which layers use the attention weights of the layer before them, and how.
public struct SharingOptions: Sendable, Equatable {
    public enum Choice: Sendable, Equatable {
        case spans([ShareAttention.Span])
        /// So many layers, as far as there are any that can, chosen by what they cost.
        case count(Int)
        /// As many as the mean divergence of the predictions allows, in nats.
        case divergence(atMost: Double)
    }

    public var choice: Choice
    public var method: SharingMethod

    public init(choice: Choice, method: SharingMethod = .repaired) {
        self.choice = choice
        self.method = method
    }
}

/// What is done so that a layer can do with the attention weights of another.
public enum SharingMethod: String, Sendable, CaseIterable {
    /// As published: each head uses the weights of the donor's head of the same number.
    case plain
    /// Each head uses those of the most similar head of the donor.
    case heads
    /// As `heads`, then heads chosen by regression, output projection and feed-forward fitted to what the layer did before.
    case repaired
}

/// Which layers get attention whose state does not grow with the sequence, and which.
public struct LinearizationOptions: Sendable, Equatable {
    public enum Choice: Sendable, Equatable {
        case layers([Int])
        /// So many layers, as far as there are any that can, chosen by what they cost.
        case count(Int)
        /// As many as the mean divergence of the predictions allows, in nats.
        case divergence(atMost: Double)
    }

    public var choice: Choice
    /// What layers become.
    public var form: LinearForm
    /// What they can become instead: those that cost least together, for no more state than `form` takes in all of them.
    public var others: [LinearForm]
    public var method: LinearizationMethod

    public init(choice: Choice, form: LinearForm, others: [LinearForm] = [], method: LinearizationMethod) {
        self.choice = choice
        self.form = form
        self.others = others
        self.method = method
    }
}

/// What is done so that a layer can do with attention that does not see everything.
public enum LinearizationMethod: String, Sendable, CaseIterable {
    /// Nothing: only a window can do without.
    case plain
    /// What the form is made of and the output projection are fitted to what the layer did before.
    case fitted
}

/// What a compile made.
public struct CompileReport: Sendable {
    public let planBytes: Int
    public let seconds: Double
    public let peakMemoryBytes: Int
    /// Bits of the whole plan over the number of weights in its matrices.
    public let bitsPerWeight: Double
    /// One line for each pass.
    public let passes: [String]
    /// What quantization by measurement did; nil where there was none.
    public let quantization: QuantizationReport?
    /// What sharing attention weights did; nil where nothing was shared.
    public let sharing: SharingReport?
    /// What linearizing did; nil where no layer was.
    public let linearization: LinearizationReport?
}
