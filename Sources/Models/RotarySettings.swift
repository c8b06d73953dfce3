import Checkpoints
import Foundation

extension Rotary {
    /// Frequencies theta^(-2i/d) with the checkpoint's scaling worked in.
    ///
    /// `dimensions` is the head size. GGUF may give factors by which to divide (tensor `rope_freqs.weight`).
    /// Throws `unsupported` for scalings other than none, linear and Llama 3's, `badSetting` for impossible values.
    init(_ settings: Settings, dimensions: Int, factors: Weight?) throws(ModelError) {
        let scaling = try RotaryScaling(settings)
        let rotated = try settings.optionalInteger(.init(huggingFace: "", gguf: "rope.dimension_count")) ?? dimensions
        guard rotated == dimensions else {
            throw .unsupported(
                setting: "rope.dimension_count", found: "\(rotated)", supported: "the head size, \(dimensions)")
        }
        var frequencies = (0..<dimensions / 2).map { pair in
            // The reference computes theta's power in single precision.
            Float(1) / Float(pow(scaling.theta, Double(Float(2 * pair) / Float(dimensions))))
        }
        scaling.kind.apply(to: &frequencies)
        if let factors {
            guard factors.rows == frequencies.count else {
                throw .badShape(tensor: factors.name, expected: [frequencies.count], found: [factors.rows])
            }
            for (index, factor) in factors.values().enumerated() { frequencies[index] /= factor }
        }
        guard frequencies.allSatisfy({ $0.isFinite }) else {
            throw .badSetting("rope frequencies", expected: "finite numbers", found: "infinity or NaN")
        }
        self.init(frequencies: frequencies, factor: 1)
    }
}

/// The base and the scaling of RoPE, from any of the forms that checkpoints use.
private struct RotaryScaling {
    enum Kind {
        case none
        /// Positions divided by a factor.
        case linear(factor: Double)
        /// Llama 3: long wavelengths divided by `factor`, short ones kept, those between blended.
        case llama3(factor: Double, low: Double, high: Double, originalContext: Double)

        func apply(to frequencies: inout [Float]) {
            switch self {
            case .none: break
            case .linear(let factor):
                for index in frequencies.indices { frequencies[index] /= Float(factor) }
            case .llama3(let factor, let low, let high, let context):
                for (index, frequency) in frequencies.enumerated() {
                    let wavelength = 2 * Double.pi / Double(frequency)
                    if wavelength > context / low {
                        frequencies[index] = frequency / Float(factor)
                    } else if wavelength > context / high {
                        let smooth = (context / wavelength - low) / (high - low)
                        let scaled = Double(frequency) / factor
                        frequencies[index] = Float((1 - smooth) * scaled + smooth * Double(frequency))
                    }
                }
            }
        }
    }

    let theta: Double
    let kind: Kind

    init(_ settings: Settings) throws(ModelError) {
        switch settings.metadata {
        case .gguf(let metadata):
            theta = try settings.positive(.init(huggingFace: "rope_theta", gguf: "rope.freq_base"), default: 10_000)
            let type = metadata.string("\(settings.architecture).rope.scaling.type") ?? "none"
            switch type {
            case "none": kind = .none
            case "linear":
                kind = .linear(factor: try settings.positive(.init(huggingFace: "", gguf: "rope.scaling.factor")))
            default:
                throw .unsupported(setting: "rope.scaling.type", found: type, supported: "none, linear")
            }
        case .huggingFace(let files):
            // Newer files keep theta and scaling together in `rope_parameters`, older ones apart.
            let parameters = files.config["rope_parameters"]
            let scaling = parameters ?? files.config["rope_scaling"]
            let base = parameters?["rope_theta"] ?? files.config["rope_theta"]
            theta = try RotaryScaling.positive(base, name: "rope_theta", default: 10_000)
            let partial = try RotaryScaling.positive(
                parameters?["partial_rotary_factor"] ?? files.config["partial_rotary_factor"],
                name: "partial_rotary_factor", default: 1)
            guard partial == 1 else {
                throw .unsupported(setting: "partial_rotary_factor", found: "\(partial)", supported: "1")
            }
            kind = try RotaryScaling.kind(scaling)
        }
    }

    private static func kind(_ scaling: JSON?) throws(ModelError) -> Kind {
        guard let scaling, scaling != .null else { return .none }
        let type: String
        switch scaling["rope_type"] ?? scaling["type"] {
        case .string(let name)?: type = name
        case nil, .null?: type = "default"
        default: throw .badSetting("rope_type", expected: "a name", found: "another JSON value")
        }
        switch type {
        case "default": return .none
        case "linear": return .linear(factor: try positive(scaling["factor"], name: "rope factor"))
        case "llama3":
            let low = try positive(scaling["low_freq_factor"], name: "low_freq_factor")
            let high = try positive(scaling["high_freq_factor"], name: "high_freq_factor")
            guard high > low else {
                throw .badSetting("high_freq_factor", expected: "more than low_freq_factor", found: "\(high)")
            }
            return .llama3(
                factor: try positive(scaling["factor"], name: "rope factor"), low: low, high: high,
                originalContext: try positive(
                    scaling["original_max_position_embeddings"], name: "original_max_position_embeddings"))
        default:
            throw .unsupported(setting: "rope_type", found: type, supported: "default, linear, llama3")
        }
    }

    private static func positive(
        _ value: JSON?, name: String, default fallback: Double? = nil
    ) throws(ModelError) -> Double {
        guard let number = value?.number ?? fallback, number.isFinite, number > 0 else {
            throw .badSetting(name, expected: "a positive number", found: value.map { "\($0)" } ?? "nothing")
        }
        return number
    }
}
